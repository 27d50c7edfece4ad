package notify_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

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
