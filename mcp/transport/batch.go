package transport

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// maxBatch bounds the messages of one batch, all of whose requests run at once.
const maxBatch = 32

// postBatch serves a JSON-RPC batch, which only 2025-03-26 has. Its requests run side by
// side and are answered by one array: alone, or as the last event where one of them
// said something on the way.
func (t *Transport) postBatch(w http.ResponseWriter, r *http.Request, raw []byte) {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		replyRPC(w, http.StatusBadRequest, nil, mcp.PARSE_ERROR, errNotJSON.Error(), nil)
		return
	}
	ses, ok := t.session(w, r)
	if !ok {
		return
	}
	ses.use()
	ses.mu.Lock()
	version := ses.version
	ses.mu.Unlock()
	if version != mcp.ProtocolVersion20250326 || len(parts) == 0 || len(parts) > maxBatch {
		replyRPC(w, http.StatusBadRequest, nil, mcp.INVALID_REQUEST, errBatch.Error(), nil)
		return
	}
	b := &batch{t: t, ses: ses, r: r, answers: make([][]byte, len(parts))}
	b.response = t.newResponse(w, r, b.cancelAll)
	for i, part := range parts {
		b.add(i, part)
	}
	b.finish(w)
}

// A batch is several messages that are answered together.
type batch struct {
	t        *Transport
	ses      *session
	r        *http.Request
	response *response
	answers  [][]byte // in the order of the requests; nil for what is not answered
	running  sync.WaitGroup

	mu    sync.Mutex
	calls []*call
}

func (b *batch) add(i int, part []byte) {
	m, err := parseMessage(part)
	switch {
	case err != nil:
		b.answers[i], _ = encode(nil, rpcError(nil, parseCode(err), err.Error(), nil))
		return
	case !m.isRequest():
		if err := b.t.take(b.r.Context(), b.ses, m); err != nil {
			b.t.log.Warn("an answer or a cancellation did not reach the other replicas", slog.Any("error", err))
		}
		return
	case m.Method == string(mcp.MethodInitialize):
		b.answers[i], _ = encode(m.ID, rpcError(m.ID, mcp.INVALID_REQUEST, "initialize cannot be part of a batch", nil))
		return
	}
	c, err := b.t.begin(b.r.Context(), b.ses, m)
	if err != nil {
		b.answers[i], _ = encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, err.Error(), nil))
		return
	}
	c.out = b.response
	b.mu.Lock()
	b.calls = append(b.calls, c)
	b.mu.Unlock()
	b.running.Go(func() {
		defer c.release()
		b.answers[i], _ = b.t.serve(c, m)
	})
}

func (b *batch) cancelAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		c.cancel(errGone)
	}
}

// finish waits for the answers and sends them.
func (b *batch) finish(w http.ResponseWriter) {
	b.running.Wait()
	var answers [][]byte
	for _, a := range b.answers {
		if a != nil {
			answers = append(answers, a)
		}
	}
	if len(answers) == 0 {
		b.response.abandon()
		w.WriteHeader(http.StatusAccepted)
		return
	}
	b.response.finish(http.StatusOK, append(append([]byte("["), bytes.Join(answers, []byte(","))...), ']'))
}
