package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"slackmcp/webhook/event"
)

// An AnswerFunc makes the body of the answer to an interaction: the options of a menu, the
// errors of a view, the text that a slash command shows. What it returns is written as
// JSON; nil means the empty answer. The event is stored before the function is called, and
// goes to the handlers of the queue as well.
//
// ctx ends when Slack no longer waits for the answer. When the function returns later, fails
// or panics, Slack gets the empty answer. The function must not write to e.Raw.
type AnswerFunc func(ctx context.Context, e *event.Event) (any, error)

const (
	// DefaultAnswerTimeout counts from the request's beginning, and leaves half a second of
	// Slack's three for the network.
	DefaultAnswerTimeout = 2500 * time.Millisecond
	// maxAnswers is how many answers are made at once; further interactions get the empty answer.
	maxAnswers = 64
	// maxAnswer is how many bytes one answer may have. Slack takes 100 options of at most 75 and 150 characters.
	maxAnswer = 256 << 10
)

// Answers holds the functions that answer interactions, by the kind of event. With the zero
// value every interaction gets the empty answer. It is safe for concurrent use.
type Answers struct {
	mu    sync.RWMutex
	funcs []answerer
	slots chan struct{} // made with the first function
}

type answerer struct {
	pattern event.Pattern
	fn      AnswerFunc
}

// On lets fn answer what a pattern matches: block_suggestion, view_submission,
// slash_command and so on; see [event.ParsePattern]. Of several functions that match the
// first is called.
func (a *Answers) On(pattern string, fn AnswerFunc) error {
	p, err := event.ParsePattern(pattern)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if fn == nil {
		return fmt.Errorf("webhook: the function that answers %q is nil", pattern)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.slots == nil {
		a.slots = make(chan struct{}, maxAnswers)
	}
	a.funcs = append(a.funcs, answerer{p, fn})
	return nil
}

// find returns the function for an event and takes one of maxAnswers slots, which release
// gives back. fn is nil when no function matches.
func (a *Answers) find(e *event.Event) (fn AnswerFunc, release func(), err error) {
	if a == nil {
		return nil, nil, nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, one := range a.funcs {
		if !one.pattern.Match(e) {
			continue
		}
		select {
		case a.slots <- struct{}{}:
			return one.fn, func() { <-a.slots }, nil
		default:
			return nil, nil, errors.New("too many answers are being made")
		}
	}
	return nil, nil, nil
}

// emptyAnswer returns the empty answer: a menu without options, and otherwise a body
// without bytes, of which Slack shows nothing.
func emptyAnswer(e *event.Event) []byte {
	switch e.Kind.Type {
	case "block_suggestion", "dialog_suggestion":
		return []byte(`{"options":[]}`)
	}
	return []byte{}
}

// answer returns the body of the answer to an interaction that is stored.
func (rc *Receiver) answer(began time.Time, e *event.Event) []byte {
	fn, release, err := rc.opt.Answers.find(e)
	if fn != nil {
		var body []byte
		if body, err = rc.ask(began, fn, e, release); err == nil && body != nil {
			return body
		}
	}
	if err != nil {
		rc.opt.Logger.LogAttrs(context.Background(), slog.LevelWarn, "interaction was not answered",
			slog.String("event_id", e.ID), slog.String("kind", e.Kind.String()), slog.Any("error", err))
	}
	return emptyAnswer(e)
}

// ask calls a function and returns its answer, or an error when the time for it is over.
func (rc *Receiver) ask(began time.Time, fn AnswerFunc, e *event.Event, release func()) ([]byte, error) {
	ctx, cancel := context.WithDeadline(context.Background(), began.Add(rc.opt.AnswerTimeout))
	defer cancel()
	own := *e
	type result struct {
		body []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		defer release()
		body, err := encodeAnswer(ctx, fn, &own)
		done <- result{body, err}
	}()
	select {
	case r := <-done:
		return r.body, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer within %s of the request", rc.opt.AnswerTimeout)
	}
}

func encodeAnswer(ctx context.Context, fn AnswerFunc, e *event.Event) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the function panicked: %v\n%s", v, debug.Stack())
		}
	}()
	v, err := fn(ctx, e)
	if err != nil || v == nil {
		return nil, err
	}
	if body, err = json.Marshal(v); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer has %d bytes, at most %d may be", len(body), maxAnswer)
	}
	return body, nil
}
