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
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
)

const (
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// A transport is the one way to Slack: each request of slack-go and of this package goes
// through [transport.RoundTrip]. It does more than the contract of
// [http.RoundTripper] allows: it judges the answers, and what Slack refuses comes back as
// an [Error]. Only the clients of this package use it.
type transport struct {
	*shared
	token string // empty where none is configured
	owner string // of the token: bot, app, ownerUser or ownerPerson
}

// The owners of tokens with which a client acts as a person.
const (
	ownerUser   = "user"
	ownerPerson = "person"
)

// A call is what the transport has to know about a request beside the request itself.
type call struct {
	method method
	scope  string // the channel of a post
	limit  int64  // of the reply, in bytes
	head   bool   // what comes after limit is not read, and not too large
	team   string // the workspace whose limits count; empty is the client's own
	who    string // the person who calls, and has a share of the limits; empty is no person
}

// callKey is the key of a call in the context of its request. A request to the Web API
// needs the call there only for a scope: its method stands in its URL.
type callKey struct{}

// callOf returns the call that a request makes.
func (t *transport) callOf(req *http.Request) call {
	c, ok := req.Context().Value(callKey{}).(call)
	if !ok {
		c = call{method: methodOf(strings.TrimPrefix(req.URL.Path, t.api.Path)), limit: t.opt.MaxReplyBytes}
	}
	if holdOf(req.Context()) != nil {
		c.limit = min(c.limit, maxHeld)
	}
	if t.person != nil {
		c.who, c.team = t.person.Who, t.pace.abroad(t.person.Team)
	}
	return c
}

// RoundTrip waits for Slack's limits, sends the request, judges the answer, and sends
// the request again where that is safe and the deadline leaves time for it. The answer
// that it returns is a success, and its body is in memory.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close() // each attempt reads a body of its own
	}
	c := t.callOf(req)
	switch {
	case t.token == "" && c.method != respond:
		return nil, &Error{Method: c.method.name, Code: CodeNoToken, Kind: Auth, err: fmt.Errorf("it needs the token of a %s, and none is configured", t.owner)}
	case t.rehearsal != nil:
		return t.rehearsal.record(c.method, req)
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.opt.Timeout)
	defer cancel()
	backoff := wait.Backoff{First: firstBackoff, Most: maxBackoff}
	var person bearer
	for n := 1; ; n++ {
		began := time.Now()
		if err := t.ready(ctx, req, c, &person); err != nil {
			t.observe(ctx, c, err, CallInfo{Attempt: n, Waited: time.Since(began)})
			return nil, err
		}
		sent := time.Now()
		attempt, stop := context.WithTimeout(ctx, t.opt.AttemptTimeout)
		var trace sending
		out := req.WithContext(httptrace.WithClientTrace(attempt, &httptrace.ClientTrace{
			GetConn:      func(string) { trace.traced.Store(true) },
			WroteHeaders: func() { trace.wrote.Store(true) },
		}))
		if req.GetBody != nil {
			out.Body, _ = req.GetBody() // a reader of bytes or of a string does not fail
		}
		resp, lost := t.opt.Transport.RoundTrip(person.show(out))
		t.clock(resp)
		resp, failure := t.judge(attempt, c, &trace, resp, lost)
		stop()
		t.observe(ctx, c, failure, CallInfo{Attempt: n, Waited: sent.Sub(began), Duration: time.Since(sent)})
		switch {
		case failure == nil:
			return resp, nil
		case failure.Kind == RateLimited:
			t.pace.pause(c, failure.RetryAfter)
		case t.rejected(ctx, failure, &person):
			continue
		}
		if n >= t.opt.Retries || !failure.repeatable() || !sleep(ctx, failure.pause(&backoff)) {
			return nil, failure
		}
	}
}

// clock tells what time an answer says it is, unless anybody on the way could have written it.
func (t *transport) clock(resp *http.Response) {
	if t.opt.OnTime == nil || resp == nil || resp.TLS == nil {
		return
	}
	if now, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		t.opt.OnTime(now)
	}
}

// ready waits until a request may be sent, and gets the token that it shows where that is a person's.
func (t *transport) ready(ctx context.Context, req *http.Request, c call, b *bearer) *Error {
	if err := t.await(ctx, c); err != nil {
		return err
	}
	return t.ask(ctx, req, c, b)
}

// await waits for a person's turn and for the method's gate, and returns at once when the deadline is too near.
func (t *transport) await(ctx context.Context, c call) *Error {
	done, pause, ok := t.pace.turn(ctx, c)
	defer done()
	if ok {
		deadline, _ := ctx.Deadline()
		pause, ok = t.pace.reserve(c, false, time.Until(deadline))
	}
	for ok && pause > 0 {
		if ok = sleep(ctx, pause); ok {
			pause = t.pace.closed(c) // another call may have met a 429 meanwhile
		}
	}
	switch {
	case ctx.Err() != nil:
		return &Error{Method: c.method.name, Code: CodeTimeout, Kind: Canceled, err: ctx.Err()}
	case !ok:
		return &Error{Method: c.method.name, Code: CodeHeldBack, Kind: RateLimited, RetryAfter: pause}
	}
	return nil
}

// sleep pauses for d and reports whether it did. It begins no pause that the deadline of
// ctx would cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	return wait.Sleep(ctx, d) == nil
}

// observe tells of an attempt, and notes in its failure whose it was.
func (t *transport) observe(ctx context.Context, c call, err *Error, info CallInfo) {
	if err != nil {
		err.Person = t.owner == ownerUser || t.owner == ownerPerson
	}
	if t.opt.OnCall == nil {
		return
	}
	info.Method, info.Outcome = c.method.name, "ok"
	if err != nil {
		info.Outcome = string(err.Kind)
	}
	t.opt.OnCall(ctx, info)
}

// judge reads an answer within its bound and classifies it. What it returns as a success
// holds the whole body.
func (t *transport) judge(ctx context.Context, c call, sent *sending, resp *http.Response, err error) (*http.Response, *Error) {
	if err != nil {
		return nil, c.lost(ctx, sent, err)
	}
	defer resp.Body.Close()
	body, err := t.read(ctx, c, resp)
	switch {
	case errors.Is(err, errNoShare):
		return nil, &Error{Method: c.method.name, Code: CodeTooManyReads, Kind: TooLarge, err: errNoShare}
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent: // The status suffices, whatever the body is.
	case err != nil:
		return nil, c.lost(ctx, sent, err)
	case int64(len(body)) > c.limit:
		return nil, c.doubt(&Error{Code: CodeReplyTooLarge, Kind: TooLarge})
	}
	failure := c.classify(resp, body)
	if failure != nil {
		failure.Method = c.method.name
		return nil, failure
	}
	resp.Body = &inMemory{Reader: bytes.NewReader(body), all: body}
	return resp, nil
}

// read reads an answer, and one byte beyond its bound at most. A long one of a call that
// changes nothing needs a share of the memory for them.
func (t *transport) read(ctx context.Context, c call, resp *http.Response) ([]byte, error) {
	var b bytes.Buffer
	most := c.limit + 1
	if c.head {
		most = c.limit
	}
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, min(smallReply, most))); err != nil || b.Len() < smallReply {
		return b.Bytes(), err
	}
	if h := holdOf(ctx); h != nil && c.method.safe && t.opt.OnLarge != nil {
		if err := h.take(ctx, t.opt.OnLarge); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			return nil, errNoShare
		}
	}
	b.Grow(int(min(max(resp.ContentLength-smallReply, 0), c.limit)) + bytes.MinRead) // once, where the length is known
	_, err := b.ReadFrom(io.LimitReader(resp.Body, max(most-smallReply, 0)))
	return b.Bytes(), err
}

// inMemory is the body of an answer that was read.
type inMemory struct {
	*bytes.Reader
	all []byte
}

// Close implements [io.Closer].
func (*inMemory) Close() error { return nil }

// whole returns the body of an answer, and copies none that is in memory.
func whole(resp *http.Response) ([]byte, error) {
	if b, ok := resp.Body.(*inMemory); ok {
		return b.all, nil
	}
	return io.ReadAll(resp.Body)
}

// lost classifies a request without a whole answer.
func (c call) lost(ctx context.Context, sent *sending, err error) *Error {
	e := &Error{Method: c.method.name, Code: CodeConnectionLost, Kind: Unavailable, err: bare(err)}
	canceled := errors.Is(ctx.Err(), context.Canceled)
	switch {
	case !sent.maybe(err) && canceled:
		e.Code, e.Kind, e.err = CodeTimeout, Canceled, ctx.Err()
		return e
	case !sent.maybe(err):
		e.Code = CodeNoConnection
		return e
	case canceled:
		e.Code, e.Kind, e.err = CodeTimeout, Canceled, ctx.Err()
	case ctx.Err() != nil:
		e.Code, e.err = CodeTimeout, ctx.Err()
	}
	return c.doubt(e)
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

// A sending notes whether a request may have reached the other side: the transport asked
// for a connection, and it wrote the headers.
type sending struct{ traced, wrote atomic.Bool }

// maybe is false only where it is certain that nothing was sent: a dial failed, or a
// transport that reports its doings did not come to the headers.
func (s *sending) maybe(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return false
	}
	return s.wrote.Load() || !s.traced.Load()
}

// form makes the request of a method whose answer slack-go cannot read without loss. The
// pairs are names and values; those that are empty are left out.
func (c *Client) form(ctx context.Context, name string, pairs ...string) *http.Request {
	values := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			values.Set(pair[0], pair[1])
		}
	}
	return c.post(ctx, name, values)
}

// post is form with all values, the empty ones too.
func (c *Client) post(ctx context.Context, name string, values url.Values) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opt.URL+name, strings.NewReader(values.Encode()))
	if err != nil {
		panic(err) // New has parsed the URL
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+c.token)
	return req
}

// when is a word of a form that is sent under a condition.
func when(condition bool, word string) string {
	if condition {
		return word
	}
	return ""
}

// number is a number of a form; 0 is left out.
func number(n int) string { return when(n != 0, strconv.Itoa(n)) }

// reply reads the answer to a form. It takes the results of [http.Client.Do].
func reply[T any](resp *http.Response, err error) (T, error) {
	var r T
	if err != nil {
		return r, failure("", err)
	}
	defer resp.Body.Close()
	body, err := whole(resp)
	if err == nil {
		err = lenient(body, &r)
	}
	if err != nil {
		return r, &Error{Code: CodeUnreadable, Kind: Internal}
	}
	return r, nil
}

// lenient decodes JSON and passes over a field of an unexpected type: Slack's answers
// hold a few (an empty string for an object, a number for a string).
func lenient(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil
	}
	return err
}

// failure returns the [Error] of the transport that slack-go or http.Client has wrapped.
// Any other error is of a request that slack-go refused to make, or of an answer that it
// could not read.
func failure(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return call{method: methodOf(name)}.doubt(&Error{Method: name, Code: CodeUnreadable, Kind: Internal})
	}
	return refused(name, err)
}

// refused is a call whose argument is wrong before anything is sent.
func refused(name string, err error) *Error {
	code := CodeBadRequest
	if errors.Is(err, errReserved) {
		code = CodeReservedID
	}
	return &Error{Method: name, Code: code, Kind: InvalidArgument, err: err}
}
