package slackapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	defaultRetryAfter = 30 * time.Second // for a 429 that does not say
	maxRetryAfter     = time.Hour
	maxPointers       = 8
)

// An attempt is one request with its answer. It stands in for slack-go's HTTP client:
// it reads the answer within its bound, judges it, keeps it for [attempt.decode], and
// shows slack-go the outcome alone. So no type of slack-go's can refuse an answer for
// something in it that slack-go does not know: a message that was posted would else be
// reported as an error.
type attempt struct {
	client *http.Client
	method method
	limit  int64
	record *recorder

	asked  bool // a request was made
	status int
	header http.Header
	body   []byte
	err    *Error
}

// An envelope is what all of Slack's answers have in common.
type envelope struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
	Metadata struct {
		Messages   []string `json:"messages"`
		NextCursor string   `json:"next_cursor"`
	} `json:"response_metadata"`
}

// Do sends the request, and answers slack-go with the outcome.
func (a *attempt) Do(req *http.Request) (*http.Response, error) {
	err := a.exchange(req)
	switch {
	case err != nil, a.record != nil:
	case a.status != http.StatusOK:
		err = a.refusal()
	default:
		err = a.judge()
	}
	return a.outcome(err)
}

// exchange sends a request and keeps the answer, whose body it reads within the bound.
func (a *attempt) exchange(req *http.Request) *Error {
	a.asked = true
	if a.record != nil {
		a.status, a.header = http.StatusOK, http.Header{}
		return a.record.add(a.method, req)
	}
	var sent sending
	ctx := req.Context()
	resp, err := a.client.Do(req.WithContext(httptrace.WithClientTrace(ctx, sent.trace())))
	if err != nil {
		return a.failure(ctx, &sent, err)
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, a.limit+1))
	switch {
	case a.status != http.StatusOK:
		return nil
	case err != nil:
		return a.failure(ctx, &sent, err)
	case int64(len(a.body)) > a.limit:
		return a.doubt(&Error{Code: CodeReplyTooLarge, Kind: TooLarge})
	}
	return nil
}

// outcome keeps the verdict and words it for slack-go.
func (a *attempt) outcome(err *Error) (*http.Response, error) {
	text := `{"ok":true}`
	if err != nil {
		err.Method = a.method.name
		a.err = err
		text = `{"ok":false,"error":"failed"}`
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(text)),
	}, nil
}

// judge classifies an answer with status 200.
func (a *attempt) judge() *Error {
	var e envelope
	if err := lenient(a.body, &e); err != nil {
		return a.doubt(&Error{Code: CodeUnreadable, Kind: Internal})
	}
	if e.OK {
		return nil
	}
	if e.Error == "" {
		return a.doubt(&Error{Code: CodeUnreadable, Kind: Internal})
	}
	err := &Error{Code: e.Error, Kind: kindOf(e.Error), Needed: e.Needed, Provided: e.Provided, Pointers: pointers(e.Metadata.Messages)}
	if err.Kind == RateLimited {
		err.RetryAfter = retryAfter(a.header)
	}
	if err.Kind == Unavailable {
		// Slack says of internal_error and fatal_error that a part may have succeeded.
		return a.doubt(err)
	}
	return err
}

// refusal classifies an answer that is not 200.
func (a *attempt) refusal() *Error {
	err := &Error{Code: CodeHTTPStatus, Kind: Internal, Status: a.status}
	switch {
	case a.status == http.StatusTooManyRequests:
		return &Error{Code: "ratelimited", Kind: RateLimited, Status: a.status, RetryAfter: retryAfter(a.header)}
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		err.Kind = Unavailable
		return a.doubt(err)
	case a.status < 300:
		return a.doubt(err)
	}
	return err
}

// failure classifies a request without a whole answer.
func (a *attempt) failure(ctx context.Context, sent *sending, err error) *Error {
	cause := bare(err)
	switch {
	case !sent.maybe(err) && errors.Is(ctx.Err(), context.Canceled):
		return &Error{Code: CodeTimeout, Kind: Canceled, err: ctx.Err()}
	case !sent.maybe(err):
		return &Error{Code: CodeNoConnection, Kind: Unavailable, err: cause}
	case ctx.Err() != nil:
		e := &Error{Code: CodeTimeout, Kind: Unavailable, err: ctx.Err()}
		if errors.Is(ctx.Err(), context.Canceled) {
			e.Kind = Canceled
		}
		return a.doubt(e)
	}
	return a.doubt(&Error{Code: CodeConnectionLost, Kind: Unavailable, err: cause})
}

// doubt makes a failure ambiguous where the method may have been carried out.
func (a *attempt) doubt(err *Error) *Error {
	if !a.method.safe {
		err.Kind = Ambiguous
	}
	return err
}

// decode reads the answer into reply.
func (a *attempt) decode(reply any) *Error {
	if reply == nil || a.record != nil {
		return nil
	}
	if h, ok := reply.(interface{ setHeader(http.Header) }); ok {
		h.setHeader(a.header)
	}
	if err := lenient(a.body, reply); err != nil {
		return a.doubt(&Error{Method: a.method.name, Code: CodeUnreadable, Kind: Internal})
	}
	return nil
}

// lenient decodes JSON and lets a field of an unexpected type be: Slack's answers
// hold a few (an empty string for an object, a number for a string).
func lenient(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil
	}
	return err
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return defaultRetryAfter
	}
	return min(max(time.Duration(n)*time.Second, time.Second), maxRetryAfter)
}

var pointer = regexp.MustCompile(`\[json-pointer:(/[\w/.-]{0,100})\]`)

// pointers keeps of Slack's remarks the places and leaves out the contents.
func pointers(remarks []string) []string {
	var found []string
	for _, r := range remarks {
		if m := pointer.FindStringSubmatch(r); m != nil && len(found) < maxPointers {
			found = append(found, m[1])
		}
	}
	return found
}

// bare takes the URL out of an error: an upload's or a response URL is a secret.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	return err
}

// A sending watches whether a request may have reached the other side.
type sending struct{ traced, wrote atomic.Bool }

func (s *sending) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { s.traced.Store(true) },
		WroteHeaders: func() { s.wrote.Store(true) },
	}
}

// maybe is false only where it is certain that nothing was sent: a dial failed, or a
// transport that reports its doings did not come to the headers.
func (s *sending) maybe(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return false
	}
	return s.wrote.Load() || !s.traced.Load()
}
