package queue

import (
	"errors"
	"math/rand/v2"
	"time"

	"slackmcp/internal/wait"
)

// A Policy decides what follows a failed attempt. It is a pure function of the
// attempt, the error and a random number, shared by all backends.
type Policy struct {
	// MaxAttempts is how often an event is tried in all; 0 means 5.
	MaxAttempts int
	// Base is the delay after the first failure, doubled with each further one; 0 means 1 s.
	Base time.Duration
	// Cap bounds the delay; 0 means 10 minutes.
	Cap time.Duration
	// Jitter is the share of the delay that is random, from 0 to 1; 0 means 0.2, and
	// a negative value means none.
	Jitter float64
	// MaxAsked bounds the pauses that RetryAfter asks for, where it is more than an hour.
	MaxAsked time.Duration
}

// DefaultPolicy tries five times within about half a minute.
func DefaultPolicy() Policy {
	return Policy{MaxAttempts: 5, Base: time.Second, Cap: 10 * time.Minute, Jitter: 0.2}
}

// A Verdict is what becomes of an event after a failed attempt.
type Verdict struct {
	// Dead sends it to the dead letters; otherwise it is due again after Delay.
	Dead  bool
	Delay time.Duration
}

// Next judges the failure of an attempt (counted from 1).
func (p Policy) Next(attempt int, err error) Verdict {
	return p.next(attempt, err, rand.Float64()) //nolint:gosec // jitter, no secret
}

func (p Policy) next(attempt int, err error, random float64) Verdict {
	d := DefaultPolicy()
	if p.MaxAttempts <= 0 {
		p.MaxAttempts = d.MaxAttempts
	}
	if p.Base <= 0 {
		p.Base = d.Base
	}
	if p.Cap <= 0 {
		p.Cap = d.Cap
	}
	if p.Jitter == 0 {
		p.Jitter = d.Jitter
	}
	if attempt >= p.MaxAttempts || IsPermanent(err) {
		return Verdict{Dead: true}
	}
	delay := wait.Growth{First: p.Base, Most: p.Cap, Factor: 2, Jitter: p.Jitter}.After(attempt, random)
	return Verdict{Delay: max(delay, min(Pause(err), max(p.MaxAsked, maxAsked)))}
}

// The bounds of the pauses that RetryAfter and Postpone ask for. What is postponed is not counted, so
// nothing else ends a loop of it: it is never due again at once.
const (
	maxAsked       = time.Hour
	leastPostponed = 100 * time.Millisecond
)

// Longest is the longest pause that an event can be given. What a schedule has for later than that was
// scheduled by a clock that showed something else, and is due.
func (p Policy) Longest() time.Duration {
	if p.Cap <= 0 {
		p.Cap = DefaultPolicy().Cap
	}
	return max(p.Cap, p.MaxAsked, maxAsked)
}

// Permanent marks an error that no further attempt can cure: the event goes to the
// dead letters at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err was marked by Permanent.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// RetryAfter marks an error whose sender asked for a pause: the next attempt comes no
// sooner than after it, or after an hour, or after
// MaxAsked where that is more. RetryAfter(nil, d) is nil.
func RetryAfter(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, after}
}

// Pause returns the least pause that RetryAfter asked for, or 0.
func Pause(err error) time.Duration {
	if ra, ok := errors.AsType[*retryAfterError](err); ok {
		return ra.after
	}
	return 0
}

// Postpone gives an event back without an attempt at it having been made: it is due again after
// a pause, and its attempts are counted as before. What is also marked by Permanent is not given back.
// Postpone(nil, d) is nil.
func Postpone(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &postponedError{err, after}
}

// Postponed reports whether err was marked by Postpone, and not by Permanent, and for how long:
// at least a tenth of a second and at most an hour.
func Postponed(err error) (after time.Duration, ok bool) {
	p, ok := errors.AsType[*postponedError](err)
	if !ok || IsPermanent(err) {
		return 0, false
	}
	return min(max(p.after, leastPostponed), maxAsked), true
}

type postponedError struct {
	err   error
	after time.Duration
}

func (e *postponedError) Error() string { return e.err.Error() }
func (e *postponedError) Unwrap() error { return e.err }

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }
