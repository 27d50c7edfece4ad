package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/signin"
	"slackmcp/signin/oauth"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/signin/slack"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/state"
)

// knob is a number that the environment may set.
func knob(t testing.TB, name string, usual float64) float64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// manyPeople are ids of full members of a large workspace: some of its people are guests, or deactivated.
func manyPeople(n int) (ids []string) {
	for i := 0; len(ids) < n; i++ {
		if i%50 != 49 && i%40 != 39 {
			ids = append(ids, fmt.Sprintf("U0CROWD%07d", i))
		}
	}
	return ids
}

// eight does n things, eight at a time, at most rate a second (0 is as fast as it goes), and returns how
// long each took and all of them together.
func eight(t testing.TB, n int, rate float64, do func(i int) error) (took []time.Duration, all time.Duration) {
	t.Helper()
	took = make([]time.Duration, n)
	next := make(chan int)
	var workers sync.WaitGroup
	began := time.Now()
	for range 8 {
		workers.Go(func() {
			for i := range next {
				start := time.Now()
				if err := do(i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	for i := range n {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		next <- i
		if t.Failed() {
			break
		}
	}
	close(next)
	workers.Wait()
	all = time.Since(began)
	slices.Sort(took)
	return took, all
}

// A countingState counts what is written.
type countingState struct {
	state.Store

	writes atomic.Int64
}

func (c *countingState) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	c.writes.Add(1)
	return c.Store.Put(ctx, key, value, p)
}

func (c *countingState) Delete(ctx context.Context, key, ifVersion string) error {
	c.writes.Add(1)
	return c.Store.Delete(ctx, key, ifVersion)
}

// A signInPlace is where people sign in, without the rest of the server: Slack's side of it keeps to Slack's rates,
// which no workspace of one app exceeds, and here does not, so that the store is what is measured.
type signInPlace struct {
	url   string
	state *countingState
	rows  *rows.SignIns
	ahead *atomic.Int64 // by how much its clock is
}

func startSignInPlace(t *testing.T, values state.Store, people int) signInPlace {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewUnstartedServer(nil)
	public := "http://" + web.Listener.Addr().String()
	box := startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{public + signin.CallbackPath}, ExtraUsers: people*2 + 100})
	keys, err := seal.NewKeyring(bytes.Repeat([]byte{1}, seal.KeyBytes))
	fail(err)
	p := signInPlace{url: public, state: &countingState{Store: values}, ahead: &atomic.Int64{}}
	p.rows, err = rows.New(rows.Options{State: p.state, Keys: keys, Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }})
	fail(err)
	app, err := slackapi.NewApp(slackapi.AppOptions{
		ClientID: sandbox.DefaultClientID, ClientSecret: sandbox.DefaultClientSecret, URL: box.url + "/api/", Pace: 10_000,
	})
	fail(err)
	side, err := slack.New(slack.Options{
		App: app, ClientID: sandbox.DefaultClientID, AuthorizeURL: box.url + "/oauth/v2/authorize", Redirect: public + signin.CallbackPath,
		Teams: []string{sandbox.Team}, State: p.state, Keys: keys, People: p.rows,
	})
	fail(err)
	out, err := egress.New(egress.Options{HTTPSOnly: true, Timeout: oauth.FetchTime, MaxReply: oauth.MaxDocument})
	fail(err)
	web.Config.Handler, err = oauth.New(oauth.Options{Issuer: public, Resource: public + "/mcp", Slack: side, SignIns: p.rows, Keys: keys, Egress: out})
	fail(err)
	web.Start()
	t.Cleanup(web.Close)
	return p
}

// TestPeopleUnderLoad signs many people in by way of each durable store, and refreshes their tokens. The
// long form is `make people`: 5,000 people within five minutes, and 20,000 refreshes.
func TestPeopleUnderLoad(t *testing.T) {
	people, rate := int(knob(t, "PEOPLE", 64)), knob(t, "PEOPLE_RATE", 0)
	refreshes := int(knob(t, "PEOPLE_REFRESHES", 256))
	for _, backend := range []string{"sqlite", "redis", "nats"} {
		t.Run(backend, func(t *testing.T) {
			at := place{env: backendEnv(t, backend), data: shortDir(t)}
			store, done := values(t, backend, at)
			defer done()
			p := startSignInPlace(t, store, people)
			client, err := registerClient(p.url)
			if err != nil {
				t.Fatal(err)
			}
			ids, held := manyPeople(people), make([]signedInPerson, people)
			took, all := eight(t, people, rate, func(i int) (err error) {
				held[i], err = signPersonIn(p.url, client, ids[i])
				return err
			})
			if t.Failed() {
				return
			}
			p.report(t, backend, "sign-ins", took, all)
			turn := make([]sync.Mutex, people) // a client refreshes one after the other
			took, all = eight(t, refreshes, 0, func(i int) error {
				p.ahead.Add(int64(10*time.Minute) / int64(people)) // between two refreshes of a person there are ten minutes
				turn[i%people].Lock()
				defer turn[i%people].Unlock()
				next, err := held[i%people].refreshed(p.url)
				if err == nil && next.refresh == held[i%people].refresh {
					err = errors.New("it is the token that there was")
				}
				if err == nil {
					held[i%people] = next
				}
				return err
			})
			p.report(t, backend, "refreshes", took, all)
			bytesOfPeople(t, backend, store, people)
			for i, one := range held {
				if _, err := p.rows.Authenticate(t.Context(), one.access); err != nil {
					t.Errorf("person %d: %v", i, err)
				}
			}
		})
	}
}

// report logs how one kind of work went, and begins to count anew.
func (p signInPlace) report(t *testing.T, backend, what string, took []time.Duration, all time.Duration) {
	t.Helper()
	writes := float64(p.state.writes.Swap(0))
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	t.Logf("%s: %d %s in %.1f s: %.1f a second, %.1f writes a second, %.2f of each; p50 %.1f ms, p99 %.1f ms, slowest %.1f ms",
		backend, len(took), what, all.Seconds(), float64(len(took))/all.Seconds(), writes/all.Seconds(), writes/float64(len(took)), at(0.5), at(0.99), at(1))
}

// bytesOfPeople logs what the store holds of each person.
func bytesOfPeople(t *testing.T, backend string, values state.Store, people int) {
	t.Helper()
	size := func(prefix string) (n, bytes int) {
		for after := ""; ; {
			page, err := values.List(t.Context(), prefix, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				return n, bytes
			}
			for _, e := range page {
				n, bytes, after = n+1, bytes+len(e.Key)+len(e.Value), e.Key
			}
		}
	}
	signIns, inSignIns := size(rows.Prefix)
	grants, inGrants := size(slack.Prefix)
	if signIns != people || grants != people {
		t.Errorf("%d sign-ins and %d grants of %d people", signIns, grants, people)
	}
	t.Logf("%s: %d bytes of keys and values a person: %d of the sign-in, %d of the grant", backend, (inSignIns+inGrants)/people, inSignIns/people, inGrants/people)
	const most = 4 << 10
	if (inSignIns+inGrants)/people > most {
		t.Errorf("a person takes more than %d bytes", most)
	}
}
