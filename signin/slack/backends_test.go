package slack_test

import (
	"sync"
	"testing"
	"time"

	"slackmcp/internal/testservers"
	"slackmcp/mcp/access"
	"slackmcp/signin/slack"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/nats"
	"slackmcp/store/redis"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
)

// closing closes a store when the test ends.
func closing[S interface{ Close() error }](t *testing.T, s S, err error) S {
	t.Helper()
	ok(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// On each durable store three replicas that need a person's grant at once, many times each, refresh it
// once at Slack, and every one of them gets a token that is good.
func TestReplicasRefreshOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) []state.Store{
		"sqlite": func(t *testing.T) []state.Store { // one process may open it
			s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir()})
			return []state.Store{closing(t, s, err).State(), s.State(), s.State()}
		},
		"redis": func(t *testing.T) (all []state.Store) {
			server := testservers.Redis(t)
			for range 3 {
				s, err := redis.Open(t.Context(), redis.Options{URL: server.URL, StateOnly: true})
				all = append(all, closing(t, s, err).State())
			}
			return all
		},
		"nats": func(t *testing.T) (all []state.Store) {
			server := testservers.NATS(t)
			for range 3 {
				s, err := nats.Open(t.Context(), nats.Options{URL: server.URL, StateOnly: true})
				all = append(all, closing(t, s, err).State())
			}
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, true)
			var sides []*slack.Side
			for _, s := range open(t) {
				r.state = s
				sides = append(sides, r.side(nil))
			}
			_, err := sides[0].Finish(t.Context(), r.code(sides[0], sandbox.Bob, access.Read), accept)
			ok(t, err)
			const rounds, callers = 3, 8
			for round := 1; round <= rounds; round++ {
				// An hour before its end the token is good still; behind it every caller has to wait.
				r.pass(map[bool]time.Duration{true: 13 * time.Hour, false: 11 * time.Hour}[round == rounds])
				var all sync.WaitGroup
				for _, s := range sides {
					for range callers {
						all.Go(func() {
							token, err := s.Token(t.Context(), bob)
							if err != nil || token == "" {
								t.Errorf("round %d: %v", round, err)
							}
							if err := s.Check(t.Context(), bob); err != nil {
								t.Errorf("round %d: signed out: %v", round, err)
							}
						})
					}
				}
				all.Wait()
				r.mu.Lock()
				calls := r.calls["oauth.v2.access"]
				r.mu.Unlock()
				if calls != 1+round {
					t.Errorf("after round %d: %d exchanges and refreshes, want %d", round, calls, 1+round)
				}
			}
		})
	}
}
