package notify

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/internal/egress"
	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

// challengeFailed is why a callback was not verified that answered something else than
// its challenge; the other reasons are those of package delivery.
const challengeFailed = "challenge_failed"

// maxBody bounds what is posted, in bytes: receivers refuse more.
const maxBody = 256 << 10

// mayPost reports whether a principal's events may be posted to an address: those of people go only where the
// operator lets them.
func (n *Notifier) mayPost(principal, target string) bool {
	return !access.IsPerson(principal) || egress.Named(n.opt.PeopleHosts, target)
}

// errHost says why nothing was posted.
var errHost = errors.New("PEOPLE_CALLBACK_HOSTS does not name the host")

// post makes one attempt to post a message to a subscription's callback.
func (n *Notifier) post(ctx context.Context, s *Subscription, id string, body []byte) delivery.Outcome {
	if !n.mayPost(s.Principal, s.URL) {
		return delivery.Outcome{Err: errHost, Final: true}
	}
	now := time.Now()
	m := delivery.Message{
		URL: s.URL, ID: id, Secrets: []string{s.Secret}, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Mcp-Subscription-Id": {s.ID}},
	}
	if s.OldSecret != "" && now.Before(s.OldUntil) {
		m.Secrets = append(m.Secrets, s.OldSecret)
	}
	return delivery.Attempt(ctx, n.opt.Client, m, delivery.RetryUntilGone, now)
}

// A CallbackError says that a callback did not prove that it wants to be called.
type CallbackError struct {
	// Reason is from a closed list: connection_refused, timeout, tls_error, http_4xx,
	// http_5xx, challenge_failed.
	Reason string
}

// Error names the reason.
func (e *CallbackError) Error() string { return "the callback was not verified: " + e.Reason }

// verifiedFor is how long a proof counts for one principal and one URL.
const verifiedFor = 25 * time.Hour

// callback is the key under which a proof is kept.
func callback(k Key) string { return callbackKeys + short(k.Principal) + "/" + short(k.URL) }

// verify asks a callback to repeat a challenge that was signed with the secret, unless
// it did so before.
func (n *Notifier) verify(ctx context.Context, s *Subscription) error {
	key := callback(s.key())
	_, err := n.opt.State.Get(ctx, key)
	if err == nil || !errors.Is(err, state.ErrNotFound) {
		return err
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return err
	}
	if !n.challenges.take(u.Hostname(), time.Now()) {
		return &LimitError{Limit: "challenges per minute to one host", Max: n.opt.ChallengesPerMinute}
	}
	began := time.Now()
	if why := n.challenge(ctx, s); why != "" {
		n.opt.OnObserve(Observation{Outcome: "refused", Duration: time.Since(began)})
		return &CallbackError{Reason: why}
	}
	n.opt.OnObserve(Observation{Outcome: "verified", Duration: time.Since(began)})
	_, err = n.opt.State.Put(ctx, key, []byte("{}"), state.Put{TTL: verifiedFor})
	return err
}

// challenge returns what is wrong with the answer, or "".
func (n *Notifier) challenge(ctx context.Context, s *Subscription) string {
	nonce := rand.Text()
	body, err := json.Marshal(map[string]string{"type": "verification", "challenge": nonce})
	if err != nil {
		return challengeFailed
	}
	o := n.post(ctx, s, "msg_verification_"+rand.Text(), body)
	if o.Err != nil {
		return o.Reason()
	}
	var answer struct {
		Challenge string `json:"challenge"`
	}
	if json.Unmarshal(o.Body, &answer) != nil || subtle.ConstantTimeCompare([]byte(answer.Challenge), []byte(nonce)) != 1 {
		return challengeFailed
	}
	return ""
}

// An allowance bounds how often something is done to each of many, within a minute.
type allowance struct {
	limit int

	mu     sync.Mutex
	minute int64
	used   map[string]int // in that minute
}

func newAllowance(limit int) *allowance { return &allowance{limit: limit, used: map[string]int{}} }

func (a *allowance) take(name string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if minute := now.Unix() / 60; minute != a.minute {
		a.minute = minute
		clear(a.used)
	}
	a.used[name]++
	return a.used[name] <= a.limit
}
