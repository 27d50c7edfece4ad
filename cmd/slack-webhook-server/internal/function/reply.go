package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// A reply is the handler's answer as it is being written. It belongs to one goroutine
// until that is done.
type reply struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *reply) Header() http.Header { return r.header }

func (r *reply) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *reply) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// encode writes the reply as the runtime wants it; sent is called when it has it. The
// bodies of our routes are text.
func (r *reply) encode(sent func()) (*answer, error) {
	r.WriteHeader(http.StatusOK)
	out := events.LambdaFunctionURLResponse{StatusCode: r.status, Headers: make(map[string]string, len(r.header)), Body: r.body.String()}
	for name, values := range r.header {
		out.Headers[name] = strings.Join(values, ", ")
	}
	encoded, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return &answer{text: bytes.NewReader(encoded), sent: sent}, nil
}

// An answer is read by the runtime and closed when it was sent.
type answer struct {
	text *bytes.Reader
	sent func()
}

func (a *answer) Read(p []byte) (int, error) { return a.text.Read(p) }
func (a *answer) ContentType() string        { return "application/json" }

func (a *answer) Close() error {
	a.sent()
	return nil
}
