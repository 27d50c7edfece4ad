package sandbox

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Slack's own numbers (docs.slack.dev/apis/events-api).
const (
	answerWithin     = 3 * time.Second
	hourlyLimit      = 30_000
	maxRedirects     = 2
	disableAbove     = 0.95 // share of failures in an hour
	disableFromCount = 1000 // attempts in that hour
)

const (
	maxDeliveries = 20_000 // that are remembered
	senders       = 8      // deliveries under way at once
)

// schedule is how long after an attempt the next one follows: "nearly immediately",
// after a minute, after five.
var schedule = []time.Duration{0, time.Minute, 5 * time.Minute}

// A State is where a delivery stands.
type State string

// The states.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Failed    State = "failed"   // no further attempt will be made
	Withheld  State = "withheld" // not sent: over the hourly limit, or deliveries are disabled
)

// A Delivery is an event on its way to the app.
type Delivery struct {
	EventID  string    `json:"event_id"` // empty for app_rate_limited
	Type     string    `json:"type"`
	Subtype  string    `json:"subtype,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	State    State     `json:"state"`
	Attempts []Attempt `json:"attempts"`
	// Body is what is sent, to the byte, each time.
	Body []byte `json:"-"`

	url   string
	came  time.Time
	due   time.Time
	order uint64
}

// An Attempt is one request of a delivery, as Slack would judge it.
type Attempt struct {
	At       time.Time     `json:"at"`
	RetryNum int           `json:"retry_num"` // 0 is the first delivery
	Status   int           `json:"status,omitempty"`
	Reason   string        `json:"reason,omitempty"` // x-slack-retry-reason of the next attempt; empty is success
	Latency  time.Duration `json:"latency"`
	NoRetry  bool          `json:"no_retry,omitempty"` // the answer forbade further attempts
}

// A sender delivers events and remembers what came of them.
type sender struct {
	opt    Options
	client *http.Client
	socket *sockets
	wake   chan struct{}

	mu       sync.Mutex
	changed  func() // is called when a delivery stands elsewhere; it does not wait
	url      string // guarded by mu, like all below
	disabled bool
	app      app
	team     team
	log      []*Delivery // oldest first
	queue    dueQueue
	order    uint64
	busy     int
	idle     chan struct{} // closed when nothing is pending; nil while it is so
	hour     hour
	limited  int64 // minute of the last app_rate_limited
}

func newSender(opt Options, socket *sockets) *sender {
	client := opt.Client
	if client == nil {
		client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders, IdleConnTimeout: time.Minute}}
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &sender{opt: opt, client: &once, socket: socket, wake: make(chan struct{}, 1)}
}

// clock is a span of Slack's time in the sandbox's.
func (s *sender) clock(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.opt.Speed)
}

// publish takes an event for delivery. Without a Request URL or Socket Mode it is dropped.
func (s *sender) publish(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url == "" && !s.socket.enabled() {
		return
	}
	now := time.Now()
	minute := s.minute(now)
	switch {
	case s.disabled:
		d.State = Withheld
	case s.hour.sent(minute) >= s.opt.HourlyLimit:
		d.State = Withheld
		if s.limited != minute {
			s.limited = minute
			s.accept(Delivery{Type: "app_rate_limited", Body: rateLimitedBody(s.app, s.team, now.Unix()/60*60)}, now)
		}
	default:
		s.hour.at(minute).sent++
		d.State = Pending
	}
	s.accept(d, now)
}

// accept remembers a delivery and queues it unless it is withheld. It requires s.mu.
func (s *sender) accept(d Delivery, now time.Time) {
	d.State = or(d.State, Pending)
	d.url, d.came, d.due = s.url, now, now
	s.order++
	d.order = s.order
	kept := &d
	s.log = append(s.log, kept)
	if len(s.log) > maxDeliveries {
		s.log = slices.Delete(s.log, 0, maxDeliveries/10)
	}
	if d.State == Pending {
		s.enqueue(kept)
	}
	s.changed()
}

// enqueue requires s.mu.
func (s *sender) enqueue(d *Delivery) {
	heap.Push(&s.queue, d)
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends, and returns when no attempt is under way.
func (s *sender) run(ctx context.Context) error {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	slots := make(chan struct{}, senders)
	for {
		d, wait := s.next()
		if d == nil {
			if err := s.sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			s.giveBack(d)
			return nil
		}
		attempts.Go(func() {
			defer func() { <-slots }()
			s.attempt(ctx, d)
		})
	}
}

// errStopped ends run; it is no failure.
var errStopped = errors.New("sandbox: stopped")

func (s *sender) sleep(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-s.wake:
	case <-t.C:
	case <-ctx.Done():
		return errStopped
	}
	return nil
}

// next takes the delivery that is due, or says how long to wait.
func (s *sender) next() (*Delivery, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(s.queue[0].due); wait > 0 {
		return nil, wait
	}
	s.busy++
	return heap.Pop(&s.queue).(*Delivery), 0
}

func (s *sender) giveBack(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	heap.Push(&s.queue, d)
}

// attempt makes one attempt and decides what follows.
func (s *sender) attempt(ctx context.Context, d *Delivery) {
	s.mu.Lock()
	num, reason := len(d.Attempts), ""
	if num > 0 {
		reason = d.Attempts[num-1].Reason
	}
	url, body := d.url, d.Body
	s.mu.Unlock()

	a := s.request(ctx, url, body, num, reason).attempt
	if ctx.Err() != nil && a.Reason != "" {
		s.giveBack(d) // The sandbox was stopped, so this is no failure.
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	d.Attempts = append(d.Attempts, a)
	s.count(a)
	defer s.changed()
	wait, again := s.after(d)
	switch {
	case a.Reason == "":
		d.State = Delivered
	case !again || a.NoRetry || s.disabled:
		d.State = Failed
	default:
		d.due = time.Now().Add(wait)
		s.enqueue(d)
	}
	if s.busy == 0 && len(s.queue) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// after is when the next attempt of a delivery is due, if there is one. It requires s.mu.
func (s *sender) after(d *Delivery) (time.Duration, bool) {
	n := len(d.Attempts) // that were made
	switch {
	case n <= len(schedule):
		return s.clock(schedule[n-1]), true
	case s.opt.DelayedEvents && n <= len(schedule)+24:
		return s.clock(time.Hour), true
	}
	return 0, false
}

// count keeps the hour's account and disables deliveries that fail too often. It requires s.mu.
func (s *sender) count(a Attempt) {
	minute := s.minute(a.At)
	if a.Reason == "" {
		s.hour.at(minute).ok++
	} else {
		s.hour.at(minute).failed++
	}
	ok, failed := s.hour.outcome(minute)
	if n := ok + failed; n >= disableFromCount && float64(failed) > disableAbove*float64(n) {
		s.disabled = true
	}
}

// minute is the number of the minute of Slack's time.
func (s *sender) minute(t time.Time) int64 { return t.UnixNano() / int64(s.clock(time.Minute)) }

// A dueQueue is a heap of deliveries, the one that is due first on top.
type dueQueue []*Delivery

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].order < q[j].order
	}
	return q[i].due.Before(q[j].due)
}
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(d any)   { *q = append(*q, d.(*Delivery)) }
func (q *dueQueue) Pop() any {
	old := *q
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return d
}

// An hour counts by the minute.
type hour struct {
	minutes [60]struct {
		number           int64
		sent, ok, failed int
	}
}

func (h *hour) at(minute int64) *struct {
	number           int64
	sent, ok, failed int
} {
	m := &h.minutes[minute%60]
	if m.number != minute {
		*m = struct {
			number           int64
			sent, ok, failed int
		}{number: minute}
	}
	return m
}

func (h *hour) sent(minute int64) (n int) {
	for _, m := range h.minutes {
		if minute-m.number < 60 {
			n += m.sent
		}
	}
	return n
}

func (h *hour) outcome(minute int64) (ok, failed int) {
	for _, m := range h.minutes {
		if minute-m.number < 60 {
			ok, failed = ok+m.ok, failed+m.failed
		}
	}
	return ok, failed
}

// Run delivers events, and posts scheduled messages at their time, until ctx ends. It
// returns nil when nothing is under way. It must run once.
func (s *Sandbox) Run(ctx context.Context) error {
	var clock sync.WaitGroup
	clock.Go(func() { s.runClock(ctx.Done()) })
	defer clock.Wait()
	if err := s.sender.run(ctx); err != nil && !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

// SetRequestURL makes the URL known to which events go, as Slack's app settings do: it
// is asked to echo a challenge, and is taken only when it does. It also takes back an
// automatic disabling. It needs no Run.
func (s *Sandbox) SetRequestURL(ctx context.Context, to string) error {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("sandbox: request URL %q must be absolute", to)
	}
	s.mu.Lock()
	challenge := digest(52, s.newID("challenge"), to)
	verification := s.app.verification
	s.mu.Unlock()
	body, err := json.Marshal(struct {
		Token     string `json:"token"`
		Challenge string `json:"challenge"`
		Type      string `json:"type"`
	}{verification, challenge, "url_verification"})
	if err != nil {
		return fmt.Errorf("sandbox: encode challenge: %w", err)
	}
	a := s.sender.post(ctx, to, body, http.Header{"Content-Type": {"application/json"}})
	if a.attempt.Reason != "" {
		return fmt.Errorf("sandbox: request URL did not answer the challenge: %s, status %d", a.attempt.Reason, a.attempt.Status)
	}
	if got := echoed(a); got != challenge {
		return errors.New("sandbox: request URL answered without the challenge's value")
	}
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	s.sender.url, s.sender.disabled, s.sender.hour = to, false, hour{}
	return nil
}

// echoed is the challenge in an answer: plain text, a form, or JSON.
func echoed(a answer) string {
	mediaType, _, _ := mime.ParseMediaType(a.mediaType)
	text := strings.TrimSpace(string(a.body))
	switch mediaType {
	case "application/json":
		var e struct {
			Challenge string `json:"challenge"`
		}
		if json.Unmarshal(a.body, &e) != nil {
			return ""
		}
		return e.Challenge
	case "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(text)
		if err != nil {
			return ""
		}
		return v.Get("challenge")
	}
	return text
}

// RequestURL returns where events are posted; empty while none is set.
func (s *Sandbox) RequestURL() string {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	return s.sender.url
}

// Disabled reports that more than 95 % of at least 1,000 attempts of an hour failed,
// so that nothing is delivered until [Sandbox.SetRequestURL].
func (s *Sandbox) Disabled() bool {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	return s.sender.disabled
}

// Deliveries are the newest 20,000 deliveries, oldest first. The bodies are shared and
// must not be written to.
func (s *Sandbox) Deliveries() []Delivery {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	all := make([]Delivery, len(s.sender.log))
	for i, d := range s.sender.log {
		all[i] = *d
		all[i].Attempts = slices.Clone(d.Attempts)
	}
	return all
}

// Settle waits until no delivery is pending, or for ctx.
func (s *Sandbox) Settle(ctx context.Context) error {
	s.sender.mu.Lock()
	idle := s.sender.idle
	s.sender.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sandbox: deliveries are pending: %w", ctx.Err())
	}
}

const maxAnswer = 1 << 20

// An answer is what a receiver said, and what Slack makes of it.
type answer struct {
	attempt   Attempt
	body      []byte
	mediaType string
}

// request delivers an event and judges the answer.
func (s *sender) request(ctx context.Context, to string, body []byte, num int, reason string) answer {
	if s.socket.enabled() {
		return s.socket.request(ctx, s.opt.AnswerWithin, "events_api", body, num, reason)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if num > 0 {
		h.Set("X-Slack-Retry-Num", strconv.Itoa(num))
		h.Set("X-Slack-Retry-Reason", reason)
	}
	a := s.post(ctx, to, body, h)
	a.attempt.RetryNum = num
	return a
}

// post sends a signed body, within the time that Slack gives, over at most two
// redirects.
func (s *sender) post(ctx context.Context, to string, body []byte, h http.Header) answer {
	ctx, cancel := context.WithTimeout(ctx, s.opt.AnswerWithin)
	defer cancel()
	began := time.Now()
	a := answer{attempt: Attempt{At: began}}
	resp, redirects, err := s.follow(ctx, to, body, h)
	if resp != nil {
		defer resp.Body.Close()
		a.attempt.Status = resp.StatusCode
		a.attempt.NoRetry = resp.StatusCode != http.StatusOK && resp.Header.Get("X-Slack-No-Retry") == "1"
		a.mediaType = resp.Header.Get("Content-Type")
		var readErr error
		a.body, readErr = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		err = errors.Join(err, readErr)
	}
	a.attempt.Latency = time.Since(began)
	a.attempt.Reason = verdict(ctx, resp, redirects, err)
	return a
}

// follow posts, and posts again where the answer says that the place has moved.
func (s *sender) follow(ctx context.Context, to string, body []byte, h http.Header) (*http.Response, int, error) {
	for hops := 0; ; hops++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			return nil, hops, err
		}
		req.Header = h.Clone()
		s.sign(req.Header, body)
		resp, err := s.client.Do(req)
		if err != nil || resp.StatusCode != http.StatusMovedPermanently && resp.StatusCode != http.StatusFound {
			return resp, hops, err
		}
		next, err := resp.Location()
		if err != nil || hops == maxRedirects {
			return resp, hops + 1, err
		}
		_ = resp.Body.Close() // nothing of it was wanted
		to = next.String()
	}
}

// sign is Slack's v0 signature, in the sandbox's own lines.
func (s *sender) sign(h http.Header, body []byte) {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.opt.SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	h.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	h.Set("Accept", "*/*")
}

// verdict is Slack's reason for another attempt; empty is none.
func verdict(ctx context.Context, resp *http.Response, redirects int, err error) string {
	switch {
	case err == nil && redirects > maxRedirects:
		return "too_many_redirects"
	case err == nil && resp.StatusCode/100 == 2:
		return ""
	case err == nil:
		return "http_error"
	case ctx.Err() != nil:
		return "http_timeout"
	case insecure(err):
		return "ssl_error"
	case !isURLError(err):
		return "unknown_error"
	}
	return "connection_failed"
}

func insecure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.AlertError](err)
	return ok
}

func isURLError(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok || errors.Is(err, io.ErrUnexpectedEOF)
}
