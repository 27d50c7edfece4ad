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

// Rehearse returns a client that sends nothing: each of its calls succeeds with an empty
// answer. The function returns these calls, as the requests that they would have been.
func (c *Client) Rehearse() (stage *Client, requests func() []Request) {
	s := *c.shared
	s.rehearsal = &recorder{api: s.opt.URL}
	s.connect()
	stage = s.bot
	if c == c.user {
		stage = s.user
	}
	return stage, s.rehearsal.all
}

type recorder struct {
	api string

	mu       sync.Mutex
	requests []Request // guarded by mu
}

func (r *recorder) all() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// record keeps a request and answers it. The upload URL of the answer is for the step of
// an upload that follows.
func (r *recorder) record(m method, req *http.Request) (*http.Response, error) {
	params := map[string]any{}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, refused(m.name, err)
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
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"ok":true,"upload_url":"` + r.api + `"}`))}, nil
}

func read(params map[string]any, mediaType, body string) {
	switch {
	case strings.HasPrefix(mediaType, "application/json"):
		// This package made the body, so it is valid JSON.
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
