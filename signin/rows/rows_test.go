package rows_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/store/memory"
	"slackmcp/store/state"
)

var (
	ann = access.Person{Host: "slack.com", Team: "T1", User: "U1"}
	ben = access.Person{Host: "slack.com", Team: "T1", User: "U2"}
)

// A clock stands at its start, or goes; it can be set forward.
type clock struct {
	start time.Time
	goes  bool
	ahead atomic.Int64
}

func (c *clock) now() time.Time {
	if c.goes {
		return time.Now()
	}
	return c.start.Add(time.Duration(c.ahead.Load()))
}

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// A store may be cut off.
type store struct {
	state.Store
	off atomic.Bool
	// deaf watches hear of nothing.
	deaf atomic.Bool
	// hangs is a store that answers no reading before its caller gives up.
	hangs atomic.Bool
}

func (s *store) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if s.deaf.Load() {
		<-ctx.Done()
		return nil
	}
	return s.Store.Watch(ctx, prefix, fn)
}

func (s *store) Get(ctx context.Context, key string) (state.Entry, error) {
	if s.hangs.Load() {
		<-ctx.Done()
		return state.Entry{}, fmt.Errorf("%w: %w", state.ErrUnavailable, ctx.Err())
	}
	if s.off.Load() {
		return state.Entry{}, state.ErrUnavailable
	}
	return s.Store.Get(ctx, key)
}

func (s *store) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if s.off.Load() {
		return "", state.ErrUnavailable
	}
	return s.Store.Put(ctx, key, value, p)
}

// A rig is replicas on one store.
type rig struct {
	t     *testing.T
	store *store
	clock *clock
	ended sync.Map // names of principals
}

func newRig(t *testing.T) *rig {
	t.Helper()
	m, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	r := &rig{t: t, store: &store{Store: m.State()}, clock: &clock{start: time.Now()}}
	return r
}

// replica returns the sign-ins as another process has them, with keys of the given bytes.
func (r *rig) replica(keys ...byte) *rows.SignIns {
	r.t.Helper()
	if keys == nil {
		keys = []byte{1}
	}
	secrets := make([][]byte, len(keys))
	for i, b := range keys {
		secrets[i] = bytes.Repeat([]byte{b}, seal.KeyBytes)
	}
	ring, err := seal.NewKeyring(secrets...)
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := rows.New(rows.Options{
		State: r.store, Keys: ring, Now: r.clock.now,
		OnEnd: func(_ context.Context, principal string) { r.ended.Store(principal, true) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

const client = "client's hash"

func any1(rows.Code) error { return nil }

// signIn signs a person in.
func (r *rig) signIn(s *rows.SignIns, p access.Person, scopes ...access.Scope) rows.Issued {
	r.t.Helper()
	code := r.code(s, p, scopes...)
	given, err := s.Exchange(r.t.Context(), code, any1)
	if err != nil {
		r.t.Fatal(err)
	}
	return given
}

func (r *rig) code(s *rows.SignIns, p access.Person, scopes ...access.Scope) string {
	r.t.Helper()
	if scopes == nil {
		scopes = []access.Scope{access.Read, access.Write}
	}
	code, err := s.NewCode(r.t.Context(), rows.Code{
		Client: client, ClientName: "Claude", ClientHost: "claude.ai", Account: signin.Account{Person: p, Name: "canary name"}, Scopes: scopes,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return code
}

func (r *rig) refresh(s *rows.SignIns, token string) (rows.Issued, error) {
	r.t.Helper()
	return s.Refresh(r.t.Context(), rows.Refresh{Token: token, Client: client})
}

func (r *rig) good(s *rows.SignIns, token string) *access.Principal {
	r.t.Helper()
	p, err := s.Authenticate(r.t.Context(), token)
	if err != nil {
		r.t.Fatalf("a good token is refused: %v", err)
	}
	return p
}

func (r *rig) bad(s *rows.SignIns, name, token string) {
	r.t.Helper()
	if p, err := s.Authenticate(r.t.Context(), token); !errors.Is(err, access.ErrInvalidToken) {
		r.t.Errorf("%s: %v, %v", name, p, err)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	given := r.signIn(s, ann)
	p := r.good(r.replica(), given.Access)
	who, ok := p.SignIn()
	if !ok || who.Person != ann || who.ID != given.SignIn || !p.PersonMay(access.Read) || !p.PersonMay(access.Write) || p.PersonMay(access.Events) || p.PersonMay(access.Admin) || p.Has(access.Read) {
		t.Errorf("%+v", p)
	}
	if other := r.good(s, r.signIn(s, ann).Access); other.Name == p.Name {
		t.Error("two sign-ins of one person have one principal")
	}
	if given.ExpiresIn != rows.AccessLife {
		t.Errorf("expires in %v", given.ExpiresIn)
	}
	parts := strings.Split(given.Access, ".")
	r.bad(s, "a refresh token", given.Refresh)
	r.bad(s, "another secret", parts[0]+"."+parts[1]+"."+strings.Repeat("A", len(parts[2])))
	r.bad(s, "no secret", parts[0]+"."+parts[1]+".")
	r.bad(s, "a secret of another row", parts[0]+"."+strings.Split(r.signIn(s, ben).Access, ".")[1]+"."+parts[2])
	r.bad(s, "a row elsewhere", parts[0]+"."+"../../subscriptions"+"."+parts[2])
	r.bad(s, "nothing", "")
	r.bad(s, "much", strings.Repeat("a", 10_000))
	r.bad(r.replica(2), "with other keys", given.Access)
	r.clock.forward(rows.AccessLife)
	r.bad(s, "an old one", given.Access)
}

// What is in the store tells neither tokens nor people.
func TestStolenStore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	code := r.code(s, ann)
	given, err := s.Exchange(t.Context(), code, any1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.refresh(s, given.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.store.List(t.Context(), "", "", 1000)
	if err != nil || len(all) < 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, e := range all {
		for _, canary := range []string{
			code, given.Access, given.Refresh, again.Access, again.Refresh, strings.Split(again.Refresh, ".")[2], "canary name", "U1", "Claude",
		} {
			if strings.Contains(e.Key, canary) || bytes.Contains(e.Value, []byte(canary)) {
				t.Errorf("%s: the store has %q", e.Key, canary)
			}
		}
		if len(e.Value) > 4<<10 {
			t.Errorf("%s has %d bytes", e.Key, len(e.Value))
		}
	}
}

// Rows that were moved, or written by somebody else, are none.
func TestSwappedRows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	anns, bens := r.signIn(s, ann), r.signIn(s, ben)
	list, err := r.store.List(t.Context(), rows.Prefix, "", 0)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	for i, e := range list {
		if _, err := r.store.Put(t.Context(), e.Key, list[1-i].Value, state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	r.clock.forward(5 * time.Second)
	r.bad(s, "in the place of another", anns.Access)
	r.bad(s, "in the place of another", bens.Access)
	if people, _, err := s.Page(t.Context(), "", 0); err != nil || len(people) != 0 {
		t.Errorf("%v, %v", people, err)
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, ctx := r.replica(), t.Context()
	refused := errors.New("not mine")
	code := r.code(s, ann)
	if _, err := s.Exchange(ctx, code, func(rows.Code) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("another client's code: %v", err)
	}
	given, err := s.Exchange(ctx, code, any1)
	if err != nil {
		t.Fatalf("a refused exchange has used the code: %v", err)
	}
	r.good(s, given.Access)
	// A replay is refused and ends what the code gave, on every replica.
	if _, err := r.replica().Exchange(ctx, code, any1); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("a replay: %v", err)
	}
	r.clock.forward(5 * time.Second)
	r.bad(s, "what a replayed code gave", given.Access)
	if _, err := r.refresh(s, given.Refresh); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("refresh of what a replayed code gave: %v", err)
	}
	late := r.code(s, ann)
	r.clock.forward(rows.CodeLife)
	for name, code := range map[string]string{"late": late, "unknown": "unknown", "empty": "", "long": strings.Repeat("a", 10_000)} {
		if _, err := s.Exchange(ctx, code, any1); !errors.Is(err, rows.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of exchanges at once at most one gives anything, and nothing that was given is left.
func TestCodeAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	code := r.code(r.replica(), ann)
	var given atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		s := r.replica()
		all.Go(func() {
			if _, err := s.Exchange(t.Context(), code, any1); err == nil {
				given.Add(1)
			} else if !errors.Is(err, rows.ErrInvalid) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if given.Load() > 1 {
		t.Errorf("%d exchanges gave tokens", given.Load())
	}
	if left, err := r.replica().Of(t.Context(), ann); err != nil || len(left) != 0 {
		t.Errorf("%d sign-ins are left, %v", len(left), err)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, ctx := r.replica(), t.Context()
	first := r.signIn(s, ann)
	second, err := r.refresh(s, first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	r.good(s, second.Access)
	r.good(s, first.Access) // it is good until its time is over
	r.clock.forward(rows.Grace - time.Second)
	again, err := r.refresh(r.replica(), first.Refresh)
	if err != nil || again.Access != second.Access || again.Refresh != second.Refresh {
		t.Errorf("within the grace: %v, the same pair: %v", err, again.Refresh == second.Refresh)
	}
	if want := rows.AccessLife - rows.Grace + time.Second; again.ExpiresIn != want {
		t.Errorf("expires in %v, want %v", again.ExpiresIn, want)
	}
	for name, o := range map[string]rows.Refresh{
		"another client":  {Token: second.Refresh, Client: "another"},
		"an access token": {Token: second.Access, Client: client},
		"a guess":         {Token: second.Refresh[:len(second.Refresh)-4] + "AAAA", Client: client},
		"nothing":         {Client: client},
	} {
		if _, err := s.Refresh(ctx, o); !errors.Is(err, rows.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One call of several begins with what another one was given, and changes nothing for the rest.
	for name, token := range map[string]string{"the successor": second.Refresh, "the first": first.Refresh} {
		if same, err := r.refresh(r.replica(), token); err != nil || same.Refresh != second.Refresh || same.Access != second.Access {
			t.Errorf("%s at once: %v, the same pair: %v", name, err, same.Refresh == second.Refresh)
		}
	}
	if narrow, err := s.Refresh(ctx, rows.Refresh{Token: second.Refresh, Client: client, Scopes: []access.Scope{access.Read}}); err != nil || narrow.Refresh == second.Refresh {
		t.Errorf("with other scopes: %v", err)
	}
	third, err := r.refresh(s, second.Refresh)
	if err != nil {
		t.Fatalf("a refused refresh has ended the sign-in: %v", err)
	}
	// The first token comes back within its time, but its successor was used.
	if _, err := r.refresh(s, first.Refresh); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("reuse: %v", err)
	}
	r.clock.forward(5 * time.Second)
	r.bad(s, "of an ended family", third.Access)
	if _, err := r.refresh(s, third.Refresh); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("of an ended family: %v", err)
	}
}

func TestRefreshAfterTheGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	first := r.signIn(s, ann)
	second, err := r.refresh(s, first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	r.clock.forward(rows.Grace)
	if _, err := r.refresh(s, first.Refresh); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := r.refresh(s, second.Refresh); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("the family lives on: %v", err)
	}
	unused := r.signIn(s, ann)
	r.clock.forward(rows.RefreshLife)
	if _, err := r.refresh(s, unused.Refresh); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("an old token: %v", err)
	}
}

// Clients refresh with one token several times at once, on whatever replica.
func TestRefreshAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.signIn(r.replica(), ann).Refresh
	for range 5 {
		given := make([]rows.Issued, 8)
		var all sync.WaitGroup
		for i := range given {
			s := r.replica()
			all.Go(func() {
				var err error
				if given[i], err = s.Refresh(t.Context(), rows.Refresh{Token: token, Client: client}); err != nil {
					t.Errorf("signed out: %v", err)
				}
			})
		}
		all.Wait()
		for _, g := range given {
			if g.Access != given[0].Access || g.Refresh != given[0].Refresh {
				t.Fatal("there are several successors")
			}
		}
		token = given[0].Refresh
	}
}

func TestRefreshAsksWhetherThePersonMay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, ctx := r.replica(), t.Context()
	given := r.signIn(s, ann)
	refresh := func(err error) error {
		_, err = s.Refresh(ctx, rows.Refresh{Token: given.Refresh, Client: client, May: func(_ context.Context, p access.Person) error {
			if p != ann {
				t.Errorf("asked for %v", p)
			}
			return err
		}})
		return err
	}
	if err := refresh(errors.New("slack is away")); !errors.Is(err, signin.ErrUnavailable) {
		t.Errorf("Slack is away: %v", err)
	}
	r.good(s, given.Access)
	if err := refresh(&signin.RefusedError{Reason: signin.RefusedAccount}); !errors.As(err, new(*signin.RefusedError)) {
		t.Errorf("refused: %v", err)
	}
	r.bad(s, "of somebody who may not", given.Access)
}

func TestScopesOfARefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	given := r.signIn(s, ann, access.Read, access.Write)
	narrow, err := s.Refresh(t.Context(), rows.Refresh{Token: given.Refresh, Client: client, Scopes: []access.Scope{access.Read}})
	if err != nil || r.good(s, narrow.Access).PersonMay(access.Write) {
		t.Errorf("fewer scopes: %v", err)
	}
	if _, err := s.Refresh(t.Context(), rows.Refresh{Token: narrow.Refresh, Client: client, Scopes: []access.Scope{access.Read, access.Admin}}); !errors.Is(err, rows.ErrScope) {
		t.Errorf("more scopes: %v", err)
	}
	if all, err := r.refresh(s, narrow.Refresh); err != nil || !r.good(s, all.Access).PersonMay(access.Write) {
		t.Errorf("all scopes again: %v", err)
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	first := r.signIn(s, ann)
	last := first
	for range 20 {
		var err error
		if last, err = r.refresh(s, last.Refresh); err != nil {
			t.Fatal(err)
		}
		r.clock.forward(rows.Grace)
	}
	r.good(s, last.Access)
	r.bad(s, "the ninth before the last", first.Access)
	for range rows.MaxSignIns + 3 {
		r.clock.forward(time.Second)
		r.signIn(s, ann)
	}
	if list, err := s.Of(t.Context(), ann); err != nil || len(list) != rows.MaxSignIns {
		t.Errorf("%d sign-ins, %v", len(list), err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, ctx := r.replica(), t.Context()
	one, two := r.signIn(s, ann), r.signIn(s, ann)
	for name, token := range map[string]string{"nothing": "", "a guess": one.Refresh[:len(one.Refresh)-4] + "AAAA"} {
		if _, last, err := s.Revoke(ctx, token, client); err != nil || last {
			t.Errorf("%s: %v, %v", name, last, err)
		}
	}
	if _, _, err := s.Revoke(ctx, one.Refresh, "another"); err != nil {
		t.Error(err)
	}
	r.good(s, one.Access)
	if _, last, err := s.Revoke(ctx, one.Access, client); err != nil || last {
		t.Errorf("an access token: %v, %v", last, err)
	}
	r.bad(s, "a revoked access token", one.Access)
	one, err := r.refresh(s, one.Refresh)
	if err != nil {
		t.Fatalf("the access token's sign-in has ended: %v", err)
	}
	if _, last, err := s.Revoke(ctx, one.Refresh, client); err != nil || last {
		t.Errorf("the first of two: %v, %v", last, err)
	}
	r.bad(s, "of a revoked sign-in", one.Access)
	r.good(s, two.Access)
	if p, last, err := s.Revoke(ctx, two.Refresh, client); err != nil || !last || p != ann {
		t.Errorf("the last one: %v, %v, %v", p, last, err)
	}
}

func TestEndPerson(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica()
	one, two, bens := r.signIn(s, ann), r.signIn(s, ann), r.signIn(s, ben)
	if n, err := s.EndPerson(t.Context(), ann); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	r.bad(s, "ended", one.Access)
	r.bad(s, "ended", two.Access)
	r.good(s, bens.Access)
	if _, ok := r.ended.Load(fmt.Sprintf("person:T1/U1#%s", one.SignIn)); !ok {
		t.Error("nobody was told")
	}
	people, next, err := s.Page(t.Context(), "", 0)
	if err != nil || len(people) != 1 || people[0].Person != ben {
		t.Errorf("%v, %v", people, err)
	}
	if people, next, err = s.Page(t.Context(), next, 0); err != nil || len(people) != 0 || next != "" {
		t.Errorf("%v, %q, %v", people, next, err)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, ctx := r.replica(), t.Context()
	given, code := r.signIn(s, ann), r.code(s, ann)
	r.good(s, given.Access)
	r.store.off.Store(true)
	r.good(s, given.Access) // its row was read a moment ago
	r.clock.forward(5 * time.Second)
	if _, err := s.Authenticate(ctx, given.Access); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("authenticate: %v", err)
	}
	if _, err := r.refresh(s, given.Refresh); !errors.Is(err, signin.ErrUnavailable) {
		t.Errorf("refresh: %v", err)
	}
	if _, err := s.Exchange(ctx, code, any1); !errors.Is(err, signin.ErrUnavailable) {
		t.Errorf("exchange: %v", err)
	}
	if err := s.UseState(ctx, "state"); !errors.Is(err, signin.ErrUnavailable) {
		t.Errorf("state: %v", err)
	}
	r.store.off.Store(false)
	r.good(s, given.Access)
	if _, err := s.Exchange(ctx, code, any1); err != nil {
		t.Errorf("exchange: %v", err)
	}
}

func TestStateIsUsedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.replica().UseState(t.Context(), "state"); err != nil {
		t.Error(err)
	}
	if err := r.replica().UseState(t.Context(), "state"); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("twice: %v", err)
	}
}

// A key is dropped after its rows were sealed anew: nobody is signed out.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	given := r.signIn(r.replica(1), ann)
	ring, err := seal.NewKeyring(bytes.Repeat([]byte{2}, seal.KeyBytes), bytes.Repeat([]byte{1}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.NewRows(r.store, ring)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range rows.Prefixes() {
		if _, err := sealed.Reseal(t.Context(), prefix, func(seal.Resealed) {}); err != nil {
			t.Fatal(err)
		}
	}
	s := r.replica(2)
	r.good(s, given.Access)
	if _, err := r.refresh(s, given.Refresh); err != nil {
		t.Error(err)
	}
}

// A replica that lacks a key takes nobody for signed out by a row that it cannot open.
func TestRowsOfAnotherKeyAreSomebodys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	with, without := r.replica(2, 1), r.replica(1)
	given := r.signIn(with, ann)
	if list, err := without.Of(t.Context(), ann); err != nil || len(list) != 0 {
		t.Errorf("a row of another key opens: %v, %v", list, err)
	}
	for _, s := range []*rows.SignIns{with, without} {
		if in, err := s.Has(t.Context(), ann); err != nil || !in {
			t.Errorf("nobody is signed in: %v", err)
		}
		if in, err := s.Has(t.Context(), ben); err != nil || in {
			t.Errorf("somebody else is signed in: %v", err)
		}
	}
	// A sign-in that ends where a row is unreadable is not the person's last one.
	own := r.signIn(without, ann)
	if p, last, err := without.Revoke(t.Context(), own.Refresh, client); err != nil || p != ann || last {
		t.Errorf("%v, last %v, %v", p, last, err)
	}
	if p, last, err := with.Revoke(t.Context(), given.Refresh, client); err != nil || p != ann || !last {
		t.Errorf("%v, last %v, %v", p, last, err)
	}
}

// What a sign-in has left behind is done for its caller, as long as it holds.
func TestCaller(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.replica(1)
	p := r.good(s, r.signIn(s, ann, access.Read, access.Events).Access)
	got, err := s.Caller(t.Context(), p.Name)
	if err != nil || got.Name != p.Name || !got.PersonMay(access.Events) || got.PersonMay(access.Write) {
		t.Errorf("%+v, %v", got, err)
	}
	who, _ := p.SignIn()
	for name, other := range map[string]string{
		"another person's name": strings.Replace(p.Name, "#", "x#", 1), "no sign-in": p.Name + "x", "no name": "", "the id alone": who.ID,
	} {
		if got, err := s.Caller(t.Context(), other); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := s.End(t.Context(), who.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Caller(t.Context(), p.Name); !errors.Is(err, rows.ErrInvalid) {
		t.Errorf("after its end: %+v, %v", got, err)
	}
}
