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

// An AnswerFunc says what Slack is told in the very answer to an interaction: the
// options of a menu, the errors of a view, the text that a slash command shows. What it
// returns is written as JSON; nil is the answer that says nothing. The event is stored
// before it is called, and goes to the handlers of the queue as well.
//
// ctx ends when Slack would no longer listen. Whoever returns later, fails or panics is
// answered for with the answer that says nothing. The function must not write to e.Raw.
type AnswerFunc func(ctx context.Context, e *event.Event) (any, error)

const (
	// DefaultAnswerTimeout counts from the request's beginning, and leaves half a second of
	// Slack's three for the network.
	DefaultAnswerTimeout = 2500 * time.Millisecond
	// maxAnswers bounds the answers that are being made at once; above it the answer says nothing.
	maxAnswers = 64
	// maxAnswer bounds one answer. Slack takes 100 options of at most 75 and 150 characters.
	maxAnswer = 256 << 10
)

// Answers are the functions that answer interactions, by the kind of event. The zero
// value answers nothing. It is safe for concurrent use.
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
// slash_command and so on; see [event.ParsePattern]. Of several that match the first is
// asked.
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

// find returns the function for an event, with a slot that release gives back.
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

// plainAnswer is the answer that says nothing: a menu has no options, and everything
// else an empty body, which Slack shows to nobody.
func plainAnswer(e *event.Event) []byte {
	switch e.Kind.Type {
	case "block_suggestion", "dialog_suggestion":
		return []byte(`{"options":[]}`)
	}
	return []byte{}
}

// answer makes the body of the answer to an interaction that is stored.
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
	return plainAnswer(e)
}

// ask calls a function within the time that is left, and gives up on it after that.
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
