package ask_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/ask"
	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// kept is how many values the state has.
func kept(t *testing.T, s state.Store) int {
	t.Helper()
	list, err := s.List(t.Context(), "ask", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestNothingIsKeptOfAQuestionThatWasNotPosted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		failure error
		kept    int
	}{
		"no such channel": {&slackapi.Error{Kind: slackapi.NotFound}, 0},
		"rate limited":    {&slackapi.Error{Kind: slackapi.RateLimited}, 0},
		"perhaps posted":  {&slackapi.Error{Kind: slackapi.Ambiguous}, 1},
		"cut off":         {errors.New("cut off"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, f, q := newPaper(t)
			s.post = func(slackapi.Post) (slackapi.Posted, error) { return slackapi.Posted{}, tc.failure }
			if _, err := pose(t.Context(), q, s, question, time.Hour); !errors.Is(err, tc.failure) {
				t.Errorf("%v, want %v", err, tc.failure)
			}
			if n := kept(t, f); n != tc.kept {
				t.Errorf("%d values are kept, want %d", n, tc.kept)
			}
		})
	}
}

func TestTheOpenQuestionsOfAPrincipalAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, q := newPaper(t)
		open := func(principal string) (ask.Row, error) {
			r, _, err := q.Open(t.Context(), principal, question, time.Hour)
			return r, err
		}
		var last ask.Row
		for range ask.MaxOpen {
			var err error
			if last, err = open("one"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := open("one"); !errors.Is(err, ask.ErrTooMany) {
			t.Errorf("one question more: %v", err)
		}
		if _, err := open("another"); err != nil {
			t.Errorf("of another principal: %v", err)
		}
		if err := q.Withdraw(t.Context(), last.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := open("one"); err != nil {
			t.Errorf("after one has ended: %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := open("one"); err != nil {
			t.Errorf("after their time was up: %v", err)
		}
	})
}

func TestASweepReadsWhatIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, f, q := newPaper(t)
		short, _, err := q.Open(t.Context(), principal, question, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := q.Open(t.Context(), principal, question, time.Hour); err != nil {
			t.Fatal(err)
		}
		sweep := func(reads int64, marks int) {
			t.Helper()
			f.reads.Store(0)
			if err := q.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := f.List(t.Context(), "ask-open/", "", 0)
			if err != nil || f.reads.Load() != reads || len(list) != marks {
				t.Errorf("after %d reads %d questions are open, %v; want %d and %d", f.reads.Load(), len(list), err, reads, marks)
			}
		}
		sweep(0, 2)
		// A process that is about to keep a question has marked it.
		if err := f.Delete(t.Context(), ask.Rows+short.ID, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		sweep(1, 2)
		time.Sleep(time.Minute)
		sweep(1, 1)
		time.Sleep(time.Hour)
		if err := q.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		sweep(0, 0)
	})
}
