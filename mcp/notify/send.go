package notify

import (
	"context"
	"net/http"
	"time"

	"slackmcp/internal/delivery"
)

// challengeFailed is why a callback was not verified that answered something else than
// its challenge; the other reasons are those of package delivery.
const challengeFailed = "challenge_failed"

// maxBody bounds what is posted, in bytes: receivers refuse more.
const maxBody = 256 << 10

// post makes one attempt to post a message to a subscription's callback.
func (e *Engine) post(ctx context.Context, s *Subscription, id string, body []byte) delivery.Outcome {
	now := time.Now()
	m := delivery.Message{
		URL: s.URL, ID: id, Secrets: []string{s.Secret}, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Mcp-Subscription-Id": {s.ID}},
	}
	if s.OldSecret != "" && now.Before(s.OldUntil) {
		m.Secrets = append(m.Secrets, s.OldSecret)
	}
	return delivery.Attempt(ctx, e.opt.Client, m, delivery.RetryUntilGone, now)
}
