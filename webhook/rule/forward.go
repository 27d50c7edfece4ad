package rule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
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
	if err := signature.SignStandard(h, a.secrets, webhookID(e), a.now(), body); err != nil {
		return queue.Permanent(err)
	}
	reply, err := a.client.Post(ctx, a.spec.URL, h, body)
	if _, refused := errors.AsType[*egress.RefusedError](err); refused {
		return queue.Permanent(err)
	}
	if err != nil {
		return err
	}
	return judge(reply, a.now())
}

// judge says what a status means: 2xx is done; a target that is slow or out of order is
// asked again, as late as it likes; everything else would be answered the same again.
func judge(r egress.Reply, now time.Time) error {
	err := fmt.Errorf("the receiver answered %d %s", r.Status, http.StatusText(r.Status))
	switch {
	case r.OK():
		return nil
	case r.Status == http.StatusRequestTimeout, r.Status == http.StatusTooEarly, r.Status == http.StatusTooManyRequests, r.Status >= 500:
		return queue.RetryAfter(err, r.RetryAfter(now))
	}
	return queue.Permanent(err)
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
