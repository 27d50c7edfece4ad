package notify_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/notify"
)

const aPerson = "person:T0LANTERN01/U0ALICE0001#s1"

// The events of people go only to hosts that the operator has named for them, also where others are
// posted to; one that is named no more gets nothing at all.
func TestEventsOfPeopleGoToNamedHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, stop := r.start()
	p := newEndpoint(t)
	as := func() notify.Request {
		q := p.request(`{}`)
		q.Principal = aPerson
		return q
	}
	_, err := e.Subscribe(t.Context(), as())
	if wrong, ok := errors.AsType[*notify.InputError](err); !ok || !strings.Contains(wrong.Error(), "PEOPLE_CALLBACK_HOSTS") {
		t.Errorf("the error is %v", err)
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("an address that nobody has named got %d requests", n)
	}
	stop()

	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	r.opt.PeopleHosts = []string{u.Host}
	e, stop = r.start()
	subscribe(t, e, as())
	r.say("C01", 2)
	eventually(t, "its events", func() bool { return len(p.accepted()) == 2 })
	stop()

	was := len(p.requests())
	r.opt.PeopleHosts = []string{"other.example"}
	e, _ = r.start()
	r.say("C01", 1)
	eventually(t, "the subscription to be gone", func() bool { l, err := e.List(t.Context()); return err == nil && len(l) == 0 })
	if n := len(p.requests()) - was; n != 0 {
		t.Errorf("a host that is named no more got %d requests", n)
	}
}

// A veil is a source that hides some events, from whenever they are hidden on.
type veil struct {
	notify.Source
	mu     sync.Mutex
	hidden map[string]bool
}

func (v *veil) hide(ids ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range ids {
		v.hidden[id] = true
	}
}

func (v *veil) Follow(caller *access.Principal, name string, arguments []byte, cursor string, limit int) (notify.Follower, error) {
	f, err := v.Source.Follow(caller, name, arguments, cursor, limit)
	return veiled{f, v}, err
}

type veiled struct {
	notify.Follower
	veil *veil
}

func (f veiled) Read(ctx context.Context, since time.Time) (notify.Batch, error) {
	b, err := f.Follower.Read(ctx, since)
	f.veil.mu.Lock()
	defer f.veil.mu.Unlock()
	b.Items = slices.DeleteFunc(b.Items, func(i notify.Item) bool { return f.veil.hidden[i.ID] })
	return b, err
}

// What a person may not see any more is not posted: not in a retry, and not what waited behind another
// event. What comes behind it has all its attempts.
func TestEventsOfPeopleAreJudgedBeforeEachAttempt(t *testing.T) {
	t.Parallel()
	v := &veil{hidden: map[string]bool{}}
	r := newRig(t, func(o *notify.Options) { v.Source, o.Source = o.Source, v })
	p := newEndpoint(t)
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	r.opt.PeopleHosts, r.opt.Retry = []string{u.Host}, notify.Retry{MaxAttempts: 2, Base: 5 * time.Millisecond, Cap: 10 * time.Millisecond}
	all := ids(1, 6)
	slow, goOn, failed := make(chan struct{}), make(chan struct{}), 0
	p.set(func(q received) int {
		switch q.id {
		case all[0]:
			close(slow)
			<-goOn
		case all[3]:
			v.hide(all[3]) // they leave between two attempts
			return 500
		case all[4]:
			if failed++; failed == 1 {
				return 500
			}
		}
		return 200
	})
	e, _ := r.start()
	q := p.request(`{}`)
	q.Principal = aPerson
	subscribe(t, e, q)
	r.say("C01", 6)
	<-slow
	v.hide(all[1], all[2]) // they leave while the first is being posted
	close(goOn)
	eventually(t, "the last event", func() bool { return slices.Contains(p.accepted(), all[5]) })
	if got, want := p.accepted(), []string{all[0], all[4], all[5]}; !slices.Equal(got, want) {
		t.Errorf("posted were %v, want %v", got, want)
	}
	tries := 0
	for _, q := range p.requests() {
		if q.id == all[3] {
			tries++
		}
	}
	if tries != 1 {
		t.Errorf("an event that was hidden after its first attempt was posted %d times", tries)
	}
}
