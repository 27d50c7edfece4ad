// Package function serves an http.Handler to AWS Lambda: the requests of a Function URL,
// or of an HTTP API, in payload version 2.0. It is the only importer of aws-lambda-go.
//
// The body reaches the handler byte for byte as it was posted, so that a signature over
// it holds. Every invocation is answered before its deadline: a handler that needs
// longer is given up and the caller gets 503, after which senders repeat it.
package function

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// RuntimeVariable is what the runtime sets in the environment of a function.
const RuntimeVariable = "AWS_LAMBDA_RUNTIME_API"

// spare is what is left of an invocation's time when its handler is given up, so that
// the answer still arrives.
const spare = 250 * time.Millisecond

// Serve takes invocations until ctx is done, then waits at most drain for those that are
// being served. It is for a process that finds the runtime's address in [RuntimeVariable]:
// when the runtime goes away, the process ends with exit code 1.
func Serve(ctx context.Context, h http.Handler, drain time.Duration) error {
	f := &invocations{handler: h}
	// Without an extension of its own a function is killed without a word; with one it
	// is sent SIGTERM, which ends ctx.
	go lambda.StartWithOptions(f.invoke, lambda.WithContext(context.WithoutCancel(ctx)), lambda.WithEnableSIGTERM())
	<-ctx.Done()
	return f.end(drain)
}

// invocations are those that are being served, from their event to their answer's end.
type invocations struct {
	handler http.Handler
	mu      sync.Mutex
	ending  bool
	open    sync.WaitGroup
}

// invoke serves one; the runtime calls it, and closes the answer once it is sent.
func (f *invocations) invoke(ctx context.Context, payload json.RawMessage) (*answer, error) {
	if !f.begin() {
		return refusal("draining").encode(func() {})
	}
	r, err := request(ctx, payload)
	if err == nil {
		var a *answer
		if a, err = f.serve(ctx, r).encode(f.open.Done); err == nil {
			return a, nil
		}
	}
	f.open.Done()
	return nil, err
}

// serve returns the handler's reply, or ours when the time is up.
func (f *invocations) serve(ctx context.Context, r *http.Request) *reply {
	late := make(chan struct{})
	if deadline, ok := ctx.Deadline(); ok {
		timer := time.AfterFunc(time.Until(deadline)-spare, func() { close(late) })
		defer timer.Stop()
	}
	done := make(chan *reply, 1)
	go func() {
		w := &reply{header: http.Header{}}
		f.handler.ServeHTTP(w, r)
		done <- w
	}()
	select {
	case w := <-done:
		return w
	case <-late:
		return refusal("out of time")
	}
}

// refusal is a 503, which senders repeat.
func refusal(why string) *reply {
	w := &reply{status: http.StatusServiceUnavailable, header: http.Header{}}
	w.header.Set("Content-Type", "application/json")
	w.header.Set("Retry-After", "5")
	w.body.WriteString(`{"error":"` + why + `","detail":"send it again"}`)
	return w
}

func (f *invocations) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ending {
		return false
	}
	f.open.Add(1)
	return true
}

// end lets nothing begin any more and waits for what has.
func (f *invocations) end(drain time.Duration) error {
	f.mu.Lock()
	f.ending = true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() { f.open.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(drain):
		return errors.New("an invocation was cut off")
	}
}

// payloadVersion is the one that Function URLs send, and HTTP APIs unless they are set otherwise.
const payloadVersion = "2.0"

// requestIDHeader takes the invocation's id where the sender has given none.
const requestIDHeader = "X-Request-Id"

// errPayload says that the function was not called by what it is made for.
var errPayload = errors.New("the event is no HTTP request of payload version 2.0: call the function by its Function URL")

// request makes an event an HTTP request. Its error is for the function's owner, who sees
// it in the log, and has nothing of the event in it.
func request(ctx context.Context, payload []byte) (*http.Request, error) {
	var e events.LambdaFunctionURLRequest
	if json.Unmarshal(payload, &e) != nil || e.Version != payloadVersion || e.RequestContext.HTTP.Method == "" {
		return nil, errPayload
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, errors.New("the event's body is not base64, though the event says so")
		}
	}
	target := e.RawPath
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if e.RawQueryString != "" {
		target += "?" + e.RawQueryString
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("the event's path is no path of a URL")
	}
	r := &http.Request{
		Method: e.RequestContext.HTTP.Method, URL: u, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header(&e), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		Host: e.RequestContext.DomainName, RemoteAddr: net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0"),
		// A Function URL speaks nothing but HTTPS; AWS ends it.
		TLS: &tls.ConnectionState{HandshakeComplete: true, ServerName: e.RequestContext.DomainName},
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok && r.Header.Get(requestIDHeader) == "" {
		r.Header.Set(requestIDHeader, lc.AwsRequestID)
	}
	return r.WithContext(ctx), nil
}

// header puts the names, which AWS writes in lower case, as net/http has them.
func header(e *events.LambdaFunctionURLRequest) http.Header {
	h := make(http.Header, len(e.Headers)+1)
	for name, value := range e.Headers {
		h.Add(name, value)
	}
	if len(e.Cookies) > 0 {
		h.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return h
}

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
