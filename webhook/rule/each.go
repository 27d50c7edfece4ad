package rule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// paced wraps the action of a rule: it acts no faster than the rule's rate, and on each element of
// an array where the rule says so.
func (r *Rule) paced(a action) action {
	if t := r.spec.Rate; t != nil {
		per := t.Per
		if per == 0 {
			per = time.Second
		}
		a = &pace{action: a, limit: rate.NewLimiter(rate.Limit(float64(t.Limit)/per.Seconds()), t.Limit)}
	}
	if r.each != nil {
		a = &loop{action: a, each: r.each, done: map[event.Position]map[int]bool{}}
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

// A pace is an action that waits for its turn. What would wait beyond its deadline is given back,
// and its attempts are counted as before.
type pace struct {
	action

	limit *rate.Limiter
}

var errPaced = errors.New("the rule acts no faster than its rate")

func (p *pace) do(ctx context.Context, d queue.Delivery) error {
	turn := p.limit.Reserve()
	delay := turn.Delay()
	if deadline, ok := ctx.Deadline(); ok && delay > time.Until(deadline)-margin {
		turn.Cancel()
		delay = max(0, time.Until(deadline)-margin)
		turn = nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		if turn != nil {
			turn.Cancel()
		}
		return queue.Postpone(errPaced, 0)
	}
	if turn == nil {
		return queue.Postpone(errPaced, 0)
	}
	return p.action.do(ctx, d)
}

// wholeBody is the path of the body itself.
const wholeBody = "."

// The bounds of a loop.
const (
	maxElements = 1000
	// maxUnfinished is of how many events is known which elements are done.
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
// again while the process lives, whatever the others do.
type loop struct {
	action

	each *each
	mu   sync.Mutex
	done map[event.Position]map[int]bool // of events with elements that failed
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
	done := l.begin(d.Event.Position)
	failed := failures{}
	for i, element := range list {
		one := d
		one.Event.Raw, one.Event.Encoding, one.Event.ID = element, event.JSON, d.Event.ID+"/"+strconv.Itoa(i)
		if done[i] || !l.each.places.match(&one.Event) {
			continue
		}
		if err = l.action.do(ctx, one); err == nil {
			done[i] = true
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

func (l *loop) begin(at event.Position) map[int]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done := l.done[at]; done != nil {
		return done
	}
	return map[int]bool{}
}

// end keeps which elements are done for the next attempt, if there is one.
func (l *loop) end(at event.Position, done map[int]bool, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || queue.IsPermanent(err) {
		delete(l.done, at)
		return err
	}
	if l.done[at] == nil && len(l.done) >= maxUnfinished {
		for other := range l.done { // One of those that will hardly come again.
			delete(l.done, other)
			break
		}
	}
	l.done[at] = done
	return err
}
