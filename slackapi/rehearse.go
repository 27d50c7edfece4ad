package slackapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// A Request is a call as it would be sent, without its token.
type Request struct {
	Method string         `json:"method"`
	Params map[string]any `json:"params"` // strings, or the JSON that a parameter holds
}

// Rehearse runs fn with a client that sends nothing: each of its calls succeeds with
// an empty answer and is returned as the request that it would have been. What fn
// returns is returned.
func (c *Client) Rehearse(fn func(*Client) error) ([]Request, error) {
	stage := *c
	stage.record = &recorder{}
	err := fn(&stage)
	return stage.record.requests, err
}

type recorder struct {
	mu       sync.Mutex
	requests []Request // guarded by mu
}

func (r *recorder) add(m method, req *http.Request) *Error {
	params := map[string]any{}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return &Error{Code: CodeBadRequest, Kind: InvalidArgument, err: err}
		}
		read(params, req.Header.Get("Content-Type"), string(body))
	}
	for key, v := range req.URL.Query() {
		params[key] = value(v[0])
	}
	delete(params, "token")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, Request{Method: m.name, Params: params})
	return nil
}

func read(params map[string]any, mediaType, body string) {
	switch {
	case strings.HasPrefix(mediaType, "application/json"):
		// What cannot be read here was made here: it is shown as far as it goes.
		_ = json.Unmarshal([]byte(body), &params)
		return
	case !strings.HasPrefix(mediaType, "application/x-www-form-urlencoded"):
		params["bytes"] = len(body)
		return
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return
	}
	for key, v := range values {
		params[key] = value(v[0])
	}
}

// value shows a parameter that holds an object or an array as what it is.
func value(s string) any {
	if strings.HasPrefix(s, "[") || strings.HasPrefix(s, "{") {
		var v any
		if json.Unmarshal([]byte(s), &v) == nil {
			return v
		}
	}
	return s
}
