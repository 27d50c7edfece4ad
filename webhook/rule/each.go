package rule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// paced wraps the action of a rule: it acts no faster than the rate of its target, and on each element of
// an array where the rule says so. limit may be nil.
func (r *Rule) paced(a action, limit *rate.Limiter, log *slog.Logger) action {
	if limit != nil {
		a = &pace{action: a, limit: limit}
	}
	if r.each != nil {
		a = &loop{action: a, each: r.each, rule: r.spec.Name, log: log, unfinished: map[event.Position]doneElements{}}
	}
	return a
}

// patience is how long the rule's events wait for a target that refuses.
func (r *Rule) patience(most time.Duration) time.Duration {
	if r.spec.Retry != nil && r.spec.Retry.Patience > 0 {
		return r.spec.Retry.Patience
	}
	return most
}

// target names what the rule acts on, for its rate: the host of a forward, the channel of a post, the command of
// a run. A rule that acts where the event happened, or writes to the log, has a target of its own.
func (r *Rule) target() string {
	switch {
	case r.spec.Forward != nil:
		if u, err := url.Parse(r.spec.Forward.URL); err == nil {
			return "forward " + u.Scheme + "://" + strings.ToLower(u.Host)
		}
	case r.spec.Post != nil && r.spec.Post.Channel != "":
		return "post " + r.spec.Post.Channel
	case r.spec.Run != nil:
		return "run " + strings.Join(r.spec.Run.Command, "\x00")
	}
	return "rule " + r.spec.Name
}

// speed is how many acts a second the rate allows.
func (t *Rate) speed() rate.Limit {
	return rate.Limit(float64(t.Limit) / cmp.Or(t.Per, time.Second).Seconds())
}

// targets are those of the rules that run and say a rate. All rules with a rate for one target share it: together they
// act no faster than the slowest rate among theirs.
type targets struct {
	mu  sync.Mutex
	all map[string]*target
}

type target struct {
	limit *rate.Limiter
	rates map[string]*Rate // by the rules' names
}

// join returns the limiter of a rule's target, nil where the rule has no rate; leave is called when the rule has ended.
func (t *targets) join(r *Rule) (limit *rate.Limiter, leave func()) {
	if r.spec.Rate == nil {
		return nil, func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	name := r.target()
	one := t.all[name]
	if one == nil {
		if t.all == nil {
			t.all = map[string]*target{}
		}
		one = &target{limit: rate.NewLimiter(r.spec.Rate.speed(), r.spec.Rate.Limit), rates: map[string]*Rate{}}
		t.all[name] = one
	}
	one.rates[r.spec.Name] = r.spec.Rate
	one.fit()
	return one.limit, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if delete(one.rates, r.spec.Name); len(one.rates) == 0 {
			delete(t.all, name)
			return
		}
		one.fit()
	}
}

// fit makes the slowest rate that of the target.
func (t *target) fit() {
	slowest := slices.MinFunc(slices.Collect(maps.Values(t.rates)), func(a, b *Rate) int {
		return cmp.Or(cmp.Compare(a.speed(), b.speed()), cmp.Compare(a.Limit, b.Limit))
	})
	if t.limit.Limit() != slowest.speed() || t.limit.Burst() != slowest.Limit {
		t.limit.SetLimit(slowest.speed())
		t.limit.SetBurst(slowest.Limit)
	}
}

// A pace is an action that waits for its turn. What would wait beyond its deadline is given back,
// and its attempts are counted as before.
type pace struct {
	action

	limit *rate.Limiter
}

var errPaced = errors.New("the rule acts no faster than the rate of its target")

func (p *pace) do(ctx context.Context, d queue.Delivery) error {
	turn := p.limit.Reserve()
	delay := turn.Delay()
	if until, ok := giveBack(ctx); ok && delay > 0 && delay > time.Until(until) {
		turn.Cancel()
		// It keeps its worker for as long as it may: the events behind it stay where they are in the log.
		waited := max(0, time.Until(until))
		_ = wait.Sleep(ctx, waited) // However that ends, the event is given back.
		return queue.Postpone(errPaced, delay-waited)
	}
	if wait.Sleep(ctx, delay) != nil {
		turn.Cancel()
		return queue.Postpone(errPaced, delay)
	}
	return p.action.do(ctx, d)
}

// wholeBody is the path of the body itself.
const wholeBody = "."

// The bounds of a loop.
const (
	maxElements = 1000
	// maxUnfinished is of how many events is known which elements are done: a bit for each element.
	maxUnfinished = 10_000
)

// An each is a rule's Each whose path and conditions are parsed.
type each struct {
	steps  []string
	places places
}

func newEach(s Each) (*each, error) {
	x := &each{}
	if s.In != wholeBody {
		path, err := event.ParsePath(s.In)
		if err != nil {
			return nil, err
		}
		x.steps = path.Steps()
	}
	var err error
	x.places, err = newPlaces(s.Match)
	return x, err
}

// below returns the member or the element of a JSON value; nil when there is none.
func below(at json.RawMessage, step string) json.RawMessage {
	var list []json.RawMessage
	if i, err := strconv.Atoi(step); err == nil && i >= 0 && json.Unmarshal(at, &list) == nil && i < len(list) {
		return list[i]
	}
	var object map[string]json.RawMessage
	_ = json.Unmarshal(at, &object) // What is no object has no members.
	return object[step]
}

// elements returns the elements of the array in a body, as texts in JSON. Of members with the same
// name the last one counts.
func (x *each) elements(body []byte) ([]json.RawMessage, error) {
	at := json.RawMessage(body)
	for _, step := range x.steps {
		at = below(at, step)
	}
	var list []json.RawMessage
	_ = json.Unmarshal(at, &list) // What is no array has no elements.
	if len(list) > maxElements {
		return nil, queue.Permanent(fmt.Errorf("the array has %d elements, and a rule acts on at most %d", len(list), maxElements))
	}
	return list, nil
}

// A loop is an action on each element of an array, as if each were an event: its body is the
// element, and its id the event's with the element's place. An element that is done is not done
// again while the process lives until the whole event is, whatever the others do: also when the
// event became a dead letter and is given back to the rule. What is handled again after all of it was
// done is handled anew.
type loop struct {
	action

	each *each
	rule string
	log  *slog.Logger

	mu         sync.Mutex
	unfinished map[event.Position]doneElements // of events with elements that failed; guarded by mu
}

// A doneElements says which elements of an array are done.
type doneElements struct {
	bits [(maxElements + 7) / 8]byte
	// held says that the event was given back because of the rule's rate.
	held bool
}

func (d *doneElements) has(i int) bool { return d.bits[i/8]&(1<<(i%8)) != 0 }
func (d *doneElements) add(i int)      { d.bits[i/8] |= 1 << (i % 8) }

// count is how many are done.
func (d *doneElements) count() (n int) {
	for _, b := range d.bits {
		n += bits.OnesCount8(b)
	}
	return n
}

func (l *loop) do(ctx context.Context, d queue.Delivery) error {
	body, err := d.Event.Whole()
	if err != nil {
		return queue.Permanent(err)
	}
	if payload, ok := event.FormValue(body, "payload"); ok && d.Event.Encoding == event.Form {
		body = payload
	}
	list, err := l.each.elements(body)
	if err != nil {
		return err
	}
	done := l.begin(ctx, &d)
	failed := failures{}
	for i, element := range list {
		one := d
		one.Event.Raw, one.Event.Encoding, one.Event.ID = element, event.JSON, d.Event.ID+"/"+strconv.Itoa(i)
		if done.has(i) || !l.each.places.match(&one.Event) {
			continue
		}
		if err = l.action.do(ctx, one); err == nil {
			done.add(i)
			continue
		}
		failed = append(failed, fmt.Errorf("element %d: %w", i, err))
		if _, held := queue.Postponed(err); held || ctx.Err() != nil {
			break
		}
	}
	return l.end(d.Event.Position, done, failed.err())
}

// failures are those of the elements of one event.
type failures []error

// err is what becomes of the event: it is tried again as long as one of its elements may be.
func (f failures) err() error {
	if len(f) == 0 {
		return nil
	}
	first := f[0]
	texts := make([]string, 0, len(f))
	for _, err := range f {
		if queue.IsPermanent(first) && !queue.IsPermanent(err) {
			first = err
		}
		texts = append(texts, err.Error())
	}
	const shown = 5
	if len(texts) > shown {
		texts = append(texts[:shown], fmt.Sprintf("and %d more", len(texts)-shown))
	}
	return &elementsError{first, strings.Join(texts, "; ")}
}

// An elementsError says of several elements what was wrong, and is judged as one of them.
type elementsError struct {
	err  error
	text string
}

func (e *elementsError) Error() string { return e.text }
func (e *elementsError) Unwrap() error { return e.err }

// begin returns which elements are done. It writes to the log what somebody who has given the event back
// to the rule may not expect.
func (l *loop) begin(ctx context.Context, d *queue.Delivery) doneElements {
	l.mu.Lock()
	done := l.unfinished[d.Event.Position]
	l.mu.Unlock()
	if n := done.count(); n > 0 && d.Attempt == 1 && !done.held {
		l.log.LogAttrs(ctx, slog.LevelInfo, "a rule leaves out the elements of an event that it has done before",
			slog.String("rule", l.rule), slog.String("event_id", d.Event.ID), slog.Int("done", n))
	}
	return done
}

// end keeps which elements are done for the next attempt, if there is one: by itself, or because somebody
// gives a dead letter back.
func (l *loop) end(at event.Position, done doneElements, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || done.count() == 0 {
		delete(l.unfinished, at)
		return err
	}
	_, done.held = queue.Postponed(err)
	if _, known := l.unfinished[at]; !known && len(l.unfinished) >= maxUnfinished {
		for other := range l.unfinished { // Any one: all of its elements are acted on once more.
			delete(l.unfinished, other)
			break
		}
	}
	l.unfinished[at] = done
	return err
}
