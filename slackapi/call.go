package slackapi

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

const (
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// An ask makes the request of a call through a door. What it returns counts only
// where no request was made: the attempt has seen and judged the answer before.
type ask func(ctx context.Context, d door) error

// A door is what one attempt's request goes through: slack-go, where it has the
// method and asks for it rightly, or a form posted by hand.
type door struct {
	slack   *slack.Client
	attempt *attempt
	root    string // of the API, ends with a slash
	token   string
}

// form is an [ask] for what slack-go does not ask for, or asks for otherwise.
func form(values url.Values) ask {
	return func(ctx context.Context, d door) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.root+d.attempt.method.name, strings.NewReader(values.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "Bearer "+d.token)
		resp, err := d.attempt.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
}

// call is the one path of every API call. scope is the channel of a post. The answer
// is decoded into reply, which may be nil.
func (c *Client) call(ctx context.Context, m method, scope string, ask ask, reply any) error {
	token := c.token(m)
	if token == "" {
		return noToken(m)
	}
	return c.repeat(ctx, m, scope, func(ctx context.Context) *Error {
		a := &attempt{client: c.http, method: m, limit: c.opt.MaxReplyBytes, record: c.record}
		err := ask(ctx, door{
			slack: slack.New(token,
				slack.OptionAPIURL(c.opt.URL),
				slack.OptionHTTPClient(a),
				slack.OptionLog(log.New(io.Discard, "", 0))),
			attempt: a,
			root:    c.opt.URL,
			token:   token,
		})
		switch {
		case a.err != nil:
			return a.err
		case !a.asked:
			return &Error{Method: m.name, Code: CodeBadRequest, Kind: InvalidArgument, err: err}
		}
		return a.decode(reply)
	})
}

// repeat runs one attempt after another, as long as that is safe and there is time.
func (c *Client) repeat(ctx context.Context, m method, scope string, try func(context.Context) *Error) error {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	for n := 1; ; n++ {
		began := time.Now()
		if err := c.await(ctx, m, scope); err != nil {
			c.observe(ctx, CallInfo{Method: m.name, Outcome: outcome(err), Attempt: n, Waited: time.Since(began)})
			return err
		}
		sent := time.Now()
		err := c.attempt(ctx, try)
		c.observe(ctx, CallInfo{Method: m.name, Outcome: outcome(err), Attempt: n, Waited: sent.Sub(began), Duration: time.Since(sent)})
		if err == nil {
			return nil
		}
		if err.Kind == RateLimited {
			c.pace.pause(m, scope, err.RetryAfter)
		}
		if n >= c.opt.Retries || !repeatable(err) || !sleep(ctx, backoff(n, err)) {
			return err
		}
	}
}

func (c *Client) attempt(ctx context.Context, try func(context.Context) *Error) *Error {
	ctx, cancel := context.WithTimeout(ctx, c.opt.AttemptTimeout)
	defer cancel()
	return try(ctx)
}

// await waits for the method's gate, and says at once when the deadline is too near.
func (c *Client) await(ctx context.Context, m method, scope string) *Error {
	if c.record != nil {
		return nil
	}
	deadline, _ := ctx.Deadline()
	wait, ok := c.pace.reserve(m, scope, time.Until(deadline))
	for ok && wait > 0 {
		if !sleep(ctx, wait) {
			ok = false
			break
		}
		wait = c.pace.closed(m, scope) // another call may have met a 429 meanwhile
	}
	switch {
	case ctx.Err() != nil:
		return &Error{Method: m.name, Code: CodeTimeout, Kind: Canceled, err: ctx.Err()}
	case !ok:
		return &Error{Method: m.name, Code: CodeHeldBack, Kind: RateLimited, RetryAfter: wait}
	}
	return nil
}

func (c *Client) token(m method) string {
	if m.as == app {
		return c.opt.AppToken
	}
	if m.as == user || c.asUser {
		return c.opt.UserToken
	}
	return c.opt.BotToken
}

func (c *Client) observe(ctx context.Context, info CallInfo) {
	if c.opt.OnCall != nil && c.record == nil {
		c.opt.OnCall(ctx, info)
	}
}

func outcome(err *Error) string {
	if err == nil {
		return "ok"
	}
	return string(err.Kind)
}

// repeatable reports that Slack surely did nothing, and may do better next time. Of a
// call that changes something, classification has made every other case [Ambiguous].
func repeatable(err *Error) bool {
	return err.Kind == RateLimited || err.Kind == Unavailable
}

// backoff is the pause before the next attempt: what Slack said, or a doubling one
// with jitter.
func backoff(n int, err *Error) time.Duration {
	if err.RetryAfter > 0 {
		return err.RetryAfter
	}
	d := min(firstBackoff<<(n-1), maxBackoff)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}

// sleep waits for d and reports whether it did. It begins no wait that the context's
// deadline would cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
