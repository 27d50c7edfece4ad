package rule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/internal/egress"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// The headers of a forwarded event beside those of Standard Webhooks.
const (
	headerSource  = "X-Event-Source"
	headerID      = "X-Event-Id"
	headerKind    = "X-Event-Kind"
	headerAttempt = "X-Event-Attempt"
)

type forward struct {
	spec    Forward
	secrets []string
	client  *egress.Client
	now     func() time.Time
}

func newForward(s Forward, secrets []string, t tools) (action, error) {
	c, err := s.client()
	if err != nil {
		return nil, err
	}
	return &forward{spec: s, secrets: secrets, client: c, now: t.now}, nil
}

// do posts the event, signed anew with each try under the same id.
func (a *forward) do(ctx context.Context, d queue.Delivery) error {
	e := &d.Event
	body, err := event.Sanitize(e.Raw, e.Encoding)
	if err != nil {
		return queue.Permanent(err)
	}
	h := http.Header{}
	for _, extra := range a.spec.Headers {
		h.Set(extra.Name, extra.Value)
	}
	h.Set("Content-Type", "application/json")
	if e.Encoding == event.Form {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, v := range map[string]string{headerSource: e.Source, headerID: e.ID, headerKind: e.Kind.String(), headerAttempt: strconv.Itoa(d.Attempt)} {
		if headerValue(v) {
			h.Set(name, v)
		}
	}
	o := delivery.Attempt(ctx, a.client, delivery.Message{URL: a.spec.URL, Header: h, ID: webhookID(e), Secrets: a.secrets, Body: body}, delivery.RetryBusy, a.now())
	if o.Final {
		return queue.Permanent(o.Err)
	}
	return queue.RetryAfter(o.Err, o.Pause)
}

// webhookID is the same for every try and every replica, and has no dot.
func webhookID(e *event.Event) string {
	sum := sha256.Sum256([]byte(e.Source + "\x00" + e.ID))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// headerValue reports whether a text can stand in a header.
func headerValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 512
}

func (a *forward) close() { a.client.Close() }
