package rows_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/testservers"
	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/store/nats"
	"slackmcp/store/redis"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
)

// backends open each durable store as several processes would, or as the one that may.
func backends(t testing.TB) map[string]func(testing.TB) []state.Store {
	t.Helper()
	return map[string]func(testing.TB) []state.Store{
		"sqlite": func(t testing.TB) []state.Store {
			s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return []state.Store{s.State(), s.State(), s.State()}
		},
		"redis": func(t testing.TB) (all []state.Store) {
			server := testservers.Redis(t)
			for range 3 {
				s, err := redis.Open(t.Context(), redis.Options{URL: server.URL, StateOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				all = append(all, s.State())
			}
			return all
		},
		"nats": func(t testing.TB) (all []state.Store) {
			server := testservers.NATS(t)
			for range 3 {
				s, err := nats.Open(t.Context(), nats.Options{URL: server.URL, StateOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				all = append(all, s.State())
			}
			return all
		},
	}
}

func of(t testing.TB, s state.Store) *rows.SignIns {
	t.Helper()
	return with(t, rows.Options{State: s})
}

func with(t testing.TB, o rows.Options) *rows.SignIns {
	t.Helper()
	ring, err := seal.NewKeyring(bytes.Repeat([]byte{1}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	o.Keys = ring
	r, err := rows.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// enter signs a person in.
func enter(t testing.TB, s *rows.SignIns, user string) rows.Issued {
	t.Helper()
	code, err := s.NewCode(t.Context(), rows.Code{
		Client: client, ClientName: "Claude", ClientHost: "claude.ai", Scopes: []access.Scope{access.Read, access.Write},
		Account: signin.Account{Person: access.Person{Host: "slack.com", Team: "T1", User: user}, Name: "Ann", Workspace: "Acme"},
	})
	if err != nil {
		t.Fatal(err)
	}
	given, err := s.Exchange(t.Context(), code, any1)
	if err != nil {
		t.Fatal(err)
	}
	return given
}

// On each durable store, replicas that refresh one token at once give one successor, again and again,
// and a sign-in that ends on one is refused by the others.
func TestBackends(t *testing.T) {
	t.Parallel()
	for name, open := range backends(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var replicas []*rows.SignIns
			for _, s := range open(t) {
				replicas = append(replicas, of(t, s))
			}
			given := enter(t, replicas[0], "U1")
			for range 10 {
				got := make([]rows.Issued, 4*len(replicas))
				var all sync.WaitGroup
				for i := range got {
					all.Go(func() {
						var err error
						got[i], err = replicas[i%len(replicas)].Refresh(t.Context(), rows.Refresh{Token: given.Refresh, Client: client})
						if err != nil {
							t.Errorf("signed out: %v", err)
						}
					})
				}
				all.Wait()
				for _, g := range got {
					if g.Refresh != got[0].Refresh || g.Access != got[0].Access {
						t.Fatal("there are several successors")
					}
				}
				given = got[0]
			}
			last := replicas[len(replicas)-1]
			if _, err := last.Authenticate(t.Context(), given.Access); err != nil {
				t.Error(err)
			}
			if _, err := replicas[0].End(t.Context(), given.SignIn); err != nil {
				t.Fatal(err)
			}
			if _, err := last.Refresh(t.Context(), rows.Refresh{Token: given.Refresh, Client: client}); err == nil {
				t.Error("a sign-in that has ended gives tokens")
			}
		})
	}
}

// BenchmarkRefresh measures refreshes by people on each durable store, eight at once: how many a
// second, and the slowest of a hundred.
func BenchmarkRefresh(b *testing.B) {
	for name, open := range backends(b) {
		b.Run(name, func(b *testing.B) {
			s := of(b, open(b)[0])
			const people = 64
			tokens := make([]chan string, people)
			for i := range tokens {
				tokens[i] = make(chan string, 1)
				tokens[i] <- enter(b, s, fmt.Sprint("U", i)).Refresh
			}
			var n atomic.Int64
			var mu sync.Mutex
			var took []time.Duration
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					own := tokens[n.Add(1)%people]
					token := <-own
					began := time.Now()
					given, err := s.Refresh(b.Context(), rows.Refresh{Token: token, Client: client})
					if err != nil {
						b.Error(err)
					}
					own <- given.Refresh
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// deafStore hears of no change, as where an announcement is late or lost.
type deafStore struct{ state.Store }

func (deafStore) Watch(ctx context.Context, _ string, _ func(state.Change)) error {
	<-ctx.Done()
	return nil
}

// On each durable store, a sign-in that ends on one replica is refused by another within five seconds,
// and what it has open there ends within thirty, although no announcement arrives.
func TestEndsElsewhere(t *testing.T) {
	t.Parallel()
	for name, open := range backends(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores := open(t)
			here := of(t, stores[0])
			var ahead atomic.Int64
			deaf := with(t, rows.Options{State: deafStore{stores[1]}, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = deaf.Run(ctx) })
			defer running.Wait()
			defer cancel()
			given := enter(t, here, "U1")
			p, err := deaf.Authenticate(t.Context(), given.Access)
			if err != nil {
				t.Fatal(err)
			}
			who, _ := p.SignIn()
			stream, release := who.Keeper.During(t.Context(), who)
			defer release()
			if _, err := here.End(t.Context(), given.SignIn); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			ahead.Store(int64(5 * time.Second))
			if p, err := deaf.Authenticate(t.Context(), given.Access); !errors.Is(err, access.ErrInvalidToken) {
				t.Errorf("after five seconds the token is good: %v, %v", p, err)
			}
			select {
			case <-stream.Done():
				if !errors.Is(context.Cause(stream), access.ErrRevoked) {
					t.Errorf("the stream ended with %v", context.Cause(stream))
				}
				t.Logf("the stream ended after %v", time.Since(began))
			case <-time.After(30 * time.Second):
				t.Error("after thirty seconds the stream is open")
			}
		})
	}
}
