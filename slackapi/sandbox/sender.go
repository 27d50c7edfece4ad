package sandbox

import (
	"container/heap"
	"context"
	"errors"
	"net/http"
	"slices"
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

// publish takes an event on. Without a Request URL or Socket Mode there is nobody to tell.
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
	d.url, d.due = s.url, now
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
		s.giveBack(d) // the sandbox was stopped: nobody's failure
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	d.Attempts = append(d.Attempts, a)
	s.count(a)
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
