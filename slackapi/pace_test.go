package slackapi_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/slackapi"
)

// A wire is a transport without a network, for tests on a fake clock.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// paced makes a client whose requests are answered ok, and the times at which they came.
func paced(t *testing.T, opt slackapi.Options, say wire) (*slackapi.Client, func() []time.Duration) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var at []time.Duration
	opt.BotToken = "xoxb-1-canary"
	opt.Transport = wire(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		at = append(at, time.Since(began))
		mu.Unlock()
		if say != nil {
			return say(r)
		}
		return answer(200, `{"ok":true}`), nil
	})
	c, err := slackapi.New(opt)
	succeed(t, err)
	return c, func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(at)
	}
}

func TestPace(t *testing.T) {
	t.Parallel()

	t.Run("a channel takes a burst of three posts and then one a second", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, at := paced(t, slackapi.Options{}, nil)
			for range 5 {
				must(c.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"}))(t)
			}
			must(c.PostMessage(t.Context(), slackapi.Post{Channel: "C2", Text: "x"}))(t)
			want := []time.Duration{0, 0, 0, time.Second, 2 * time.Second, 2 * time.Second}
			if got := at(); !slices.Equal(got, want) {
				t.Errorf("posts at %v, want %v", got, want)
			}
		})
	})

	t.Run("a method of tier 2 takes twenty a minute after its burst", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, at := paced(t, slackapi.Options{}, nil)
			for range 12 {
				must(c.UserList(t.Context(), "", 0))(t)
			}
			got := at()
			if got[9] != 0 || got[10] != 3*time.Second || got[11] != 6*time.Second {
				t.Errorf("calls at %v", got)
			}
			must(c.UserInfo(t.Context(), "U1"))(t)
			if last := at()[12]; last != 6*time.Second {
				t.Errorf("another method waited until %v", last)
			}
		})
	})

	t.Run("a deadline that is too near is an error at once, and takes no place in the queue", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, at := paced(t, slackapi.Options{Timeout: 1500 * time.Millisecond}, nil)
			post := func() error {
				_, err := c.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"})
				return err
			}
			began := time.Now()
			var wg sync.WaitGroup
			errs := make(chan error, 6)
			for range 6 {
				wg.Go(func() { errs <- post() })
			}
			wg.Wait()
			close(errs)
			held := 0
			for err := range errs {
				if err != nil {
					if e := failed(t, err, slackapi.RateLimited, slackapi.CodeHeldBack); e.RetryAfter != 2*time.Second {
						t.Errorf("to wait %v, want 2 s", e.RetryAfter)
					}
					held++
				}
			}
			if held != 2 || time.Since(began) != time.Second {
				t.Errorf("%d held back after %v, want 2 after 1 s", held, time.Since(began))
			}
			succeed(t, post())
			if n := len(at()); n != 5 {
				t.Errorf("%d requests, want 5", n)
			}
		})
	})

	t.Run("one caller's 429 holds the others", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int32
			c, at := paced(t, slackapi.Options{Retries: 3, Timeout: time.Minute}, func(*http.Request) (*http.Response, error) {
				if n.Add(1) == 1 {
					return answer(429, `{"ok":false,"error":"ratelimited"}`, "Retry-After", "7"), nil
				}
				return answer(200, `{"ok":true}`), nil
			})
			var wg sync.WaitGroup
			wg.Go(func() { must(c.UserInfo(t.Context(), "U1"))(t) })
			synctest.Wait()
			wg.Go(func() { must(c.UserInfo(t.Context(), "U2"))(t) })
			wg.Wait()
			if got, want := at(), []time.Duration{0, 7 * time.Second, 7 * time.Second}; !slices.Equal(got, want) {
				t.Errorf("calls at %v, want %v", got, want)
			}
		})
	})

	t.Run("a 429 holds a call that was waiting for the rate already", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int32
			c, at := paced(t, slackapi.Options{Retries: 1, Timeout: time.Minute}, func(*http.Request) (*http.Response, error) {
				if n.Add(1) == 10 {
					<-time.After(time.Second) // on the fake clock
					return answer(429, `{}`, "Retry-After", "7"), nil
				}
				return answer(200, `{"ok":true}`), nil
			})
			for range 9 {
				must(c.UserList(t.Context(), "", 0))(t)
			}
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = c.UserList(t.Context(), "", 0) })
			synctest.Wait()
			wg.Go(func() { must(c.UserList(t.Context(), "", 0))(t) })
			wg.Wait()
			if got := at(); got[9] != 0 || got[10] != 8*time.Second {
				t.Errorf("calls at %v, want the last after the 7 s that Slack said at 1 s", got)
			}
		})
	})

	t.Run("safe calls back off, doubled and jittered", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, at := paced(t, slackapi.Options{Retries: 4}, func(*http.Request) (*http.Response, error) {
				return answer(503, "<html>"), nil
			})
			_, err := c.UserInfo(t.Context(), "U1")
			failed(t, err, slackapi.Unavailable, slackapi.CodeHTTPStatus)
			got := at()
			if len(got) != 4 {
				t.Fatalf("%d attempts, want 4", len(got))
			}
			for i, full := range []time.Duration{200, 400, 800} {
				full *= time.Millisecond
				if gap := got[i+1] - got[i]; gap < full/2 || gap > full {
					t.Errorf("pause %d was %v, want %v to %v", i+1, gap, full/2, full)
				}
			}
		})
	})

	t.Run("channels are forgotten when there are too many", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, _ := paced(t, slackapi.Options{Pace: 1e6}, nil)
			for i := range 4200 {
				must(c.PostMessage(t.Context(), slackapi.Post{Channel: fmt.Sprint("C", i), Text: "x"}))(t)
			}
			if n := c.Gates(); n > 4096 {
				t.Errorf("%d gates are remembered, want at most 4096", n)
			}
		})
	})
}

func TestCappedClassIsFound(t *testing.T) {
	t.Parallel()

	t.Run("by exactly 15 messages with more to follow, and it is paced by the minute", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			page := `{"ok":true,"has_more":true,"messages":[` + strings.Repeat(`{"ts":"1.1"},`, 14) + `{"ts":"1.1"}]}`
			c, at := paced(t, slackapi.Options{Timeout: 5 * time.Minute}, func(*http.Request) (*http.Response, error) { return answer(200, page), nil })
			must(c.History(t.Context(), slackapi.HistoryQuery{Channel: "C1", Limit: 15}))(t)
			if c.Capped() {
				t.Fatal("a page of 15 that was asked for is no sign")
			}
			must(c.History(t.Context(), slackapi.HistoryQuery{Channel: "C1", Limit: 200}))(t)
			if !c.Capped() || !c.AsUser().Capped() {
				t.Fatal("15 of 200 is the sign")
			}
			must(c.History(t.Context(), slackapi.HistoryQuery{Channel: "C1", Limit: 200}))(t)
			must(c.History(t.Context(), slackapi.HistoryQuery{Channel: "C1", Limit: 200}))(t)
			got := at()
			if gap := got[3] - got[2]; gap != time.Minute {
				t.Errorf("calls at %v, want a minute between the last two", got)
			}
		})
	})

	t.Run("by 15 replies beside the root of their thread", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			page := `{"ok":true,"has_more":true,"messages":[{"ts":"1.1","thread_ts":"1.1","reply_count":40}` +
				strings.Repeat(`,{"ts":"1.2","thread_ts":"1.1"}`, 15) + `]}`
			c, _ := paced(t, slackapi.Options{}, func(*http.Request) (*http.Response, error) { return answer(200, page), nil })
			must(c.Replies(t.Context(), slackapi.RepliesQuery{Channel: "C1", ThreadTS: "1.1", Limit: 200}))(t)
			if !c.Capped() {
				t.Error("15 replies of 200 are the sign")
			}
		})
	})

	t.Run("and a longer page takes it back", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := 15
			c, at := paced(t, slackapi.Options{Timeout: 5 * time.Minute}, func(*http.Request) (*http.Response, error) {
				return answer(200, `{"ok":true,"has_more":true,"messages":[`+strings.Repeat(`{"ts":"1.1"},`, n)+`{"ts":"1.1","thread_ts":"1.1"}]}`), nil
			})
			n = 14
			must(c.Replies(t.Context(), slackapi.RepliesQuery{Channel: "C1", ThreadTS: "1.1", Limit: 100}))(t)
			if !c.Capped() {
				t.Fatal("15 of 100 is the sign")
			}
			n = 40
			must(c.Replies(t.Context(), slackapi.RepliesQuery{Channel: "C1", ThreadTS: "1.1", Limit: 100}))(t)
			if c.Capped() {
				t.Fatal("41 of 100 is the opposite")
			}
			before := len(at())
			for range 20 {
				must(c.Replies(t.Context(), slackapi.RepliesQuery{Channel: "C1", ThreadTS: "1.1", Limit: 100}))(t)
			}
			got := at()
			if took := got[len(got)-1] - got[before]; took > time.Minute {
				t.Errorf("20 calls took %v after the class was taken back", took)
			}
		})
	})
}
