package consume_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

var errRefused = errors.New("refused")

func TestAttempt(t *testing.T) {
	t.Parallel()
	type handler = func(ctx context.Context) error
	for _, tc := range []struct {
		name string
		h    handler
		want error
	}{
		{"done", func(context.Context) error { return nil }, nil},
		{"failed", func(context.Context) error { return errRefused }, errRefused},
		{"late and content", func(ctx context.Context) error { <-ctx.Done(); return nil }, consume.ErrDeadline},
		{"late and failed", func(ctx context.Context) error { <-ctx.Done(); return errRefused }, errRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := func(ctx context.Context, _ queue.Delivery) error { return tc.h(ctx) }
				if err := consume.Attempt(t.Context(), h, queue.Delivery{}, time.Second); !errors.Is(err, tc.want) {
					t.Errorf("Attempt = %v, want %v", err, tc.want)
				}
			})
		})
	}
	err := consume.Attempt(t.Context(), func(context.Context, queue.Delivery) error { panic("no") }, queue.Delivery{}, time.Second)
	if err == nil || !strings.Contains(err.Error(), "panicked: no") {
		t.Errorf("Run of a panic = %v", err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		run, stop := consume.Drain(ctx, 10*time.Second)
		defer stop(nil)
		cancel()
		<-time.After(9 * time.Second)
		if run.Err() != nil {
			t.Errorf("within the grace the handlers' context is %v", run.Err())
		}
		<-time.After(2 * time.Second)
		if !errors.Is(context.Cause(run), consume.ErrStopping) {
			t.Errorf("after the grace the cause is %v, want ErrStopping", context.Cause(run))
		}
	})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	p := queue.Policy{MaxAttempts: 2, Base: time.Second, Jitter: -1}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		n    int
		err  error
		want consume.Outcome
	}{
		{"nil is done", t.Context(), 1, nil, consume.Outcome{Done: true}},
		{"nil is done also while stopping", stopped, 1, nil, consume.Outcome{Done: true}},
		{"an error is tried again", t.Context(), 1, errRefused, consume.Outcome{Delay: time.Second, Reason: "refused"}},
		{"the last error is the end", t.Context(), 2, errRefused, consume.Outcome{Dead: true, Reason: "refused"}},
		{"what stopping cut short is given back", stopped, 2, errRefused, consume.Outcome{Reason: "refused"}},
		{"a dead letter stays one, whatever its cause", t.Context(), 1, queue.Permanent(fmt.Errorf("given up: %w", queue.Postpone(errRefused, 0))), consume.Outcome{Dead: true, Reason: "given up: refused"}},
		{"what is postponed never comes at once", t.Context(), 2, queue.Postpone(errRefused, 0), consume.Outcome{Postponed: true, Delay: 100 * time.Millisecond, Reason: "refused"}},
		{"a permanent error stands", stopped, 1, queue.Permanent(errRefused), consume.Outcome{Dead: true, Reason: "refused"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := consume.Judge(tc.ctx, p, tc.n, tc.err); got != tc.want {
				t.Errorf("Judge = %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "short", strings.Repeat("x", 2000), strings.Repeat("é", 700), "bad \xff utf-8"} {
		got := consume.Reason(errors.New(s))
		if len(got) > 500 || !utf8.ValidString(got) || len(s) > 0 && got == "" {
			t.Errorf("Reason of %d bytes: %d bytes, valid %v", len(s), len(got), utf8.ValidString(got))
		}
	}
}
