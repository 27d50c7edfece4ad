package transport

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
)

// A court decides what people are told of: a cause is a conversation, whose people are listed.
type court struct {
	mu sync.Mutex
	in map[string][]string
}

func (c *court) set(why string, who ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in[why] = who
}

const wondering = "?"

func (c *court) verdict(p *access.Principal, why Cause) Verdict {
	who, _ := p.SignIn()
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.in[why.(string)] //nolint:forcetypeassert // the test's own
	switch {
	case slices.Contains(in, who.Person.User):
		return Told
	case slices.Contains(in, wondering):
		return Undecided
	}
	return NotTold
}

func boxOf(user string) *outbox {
	b := newOutbox(10_000, make(chan struct{}, 1))
	b.of(access.SignedIn(access.SignIn{ID: user, Person: access.Person{Host: "slack.com", Team: "T1", User: user}}, access.Events))
	return b
}

func told(b *outbox) int { return strings.Count(string(b.take(nil, lines)), "updated") }

// Each person is told of what they may be told of; a service of all.
func TestEachIsToldOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, court := newTable(50*time.Millisecond), &court{in: map[string][]string{"room": {"U1"}}}
		table.told = court.verdict
		service := newOutbox(10_000, make(chan struct{}, 1))
		u1, u2 := boxOf("U1"), boxOf("U2")
		for _, b := range []*outbox{service, u1, u2} {
			table.follow(b, "slack://events", nil)
		}
		check := func(what string, want ...int) {
			t.Helper()
			if got := []int{told(service), told(u1), told(u2)}; !slices.Equal(got, want) {
				t.Errorf("%s: told %v, want %v", what, got, want)
			}
		}
		table.notify("slack://events", "room")
		check("of a room", 1, 1, 0)
		// The window of one who was told nothing is still open to what they may be told.
		court.set("hall", "U1", "U2")
		table.notify("slack://events", "hall")
		check("of a hall, at once", 0, 0, 1)
		time.Sleep(time.Second)
		check("of a hall, joined", 1, 1, 0)
		table.notify("slack://events", nil)
		check("of what concerns all", 1, 1, 1)
		time.Sleep(time.Second)
		check("later", 0, 0, 0)
	})
}

// Of what happened in a room those are asked of who may be in it, however many follow the resource; each is told once.
func TestFewAreAskedOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people, members = 1000, 50
		table, court := newTable(50*time.Millisecond), &court{in: map[string][]string{}}
		var room []string
		for i := range members {
			room = append(room, "U"+strconv.Itoa(i*people/members))
		}
		court.set("room", room...)
		asked := 0
		table.told = func(p *access.Principal, why Cause) Verdict {
			asked++
			return court.verdict(p, why)
		}
		known := true
		table.audience = func(why Cause, most int) ([]string, bool) {
			return append(court.in[why.(string)], "UELSE"), known && most == people //nolint:forcetypeassert // the test's own
		}
		var boxes []*outbox
		var last *subscription
		for i := range people {
			b := boxOf("U" + strconv.Itoa(i))
			boxes, last = append(boxes, b), table.follow(b, "slack://events", nil)
		}
		for _, want := range []int{members, people} {
			asked = 0
			table.notify("slack://events", "room")
			if asked != want {
				t.Errorf("known %v: %d are asked of, want %d", known, asked, want)
			}
			n := 0
			for _, b := range boxes {
				n += told(b)
			}
			if n != members {
				t.Errorf("known %v: told %d times, want %d", known, n, members)
			}
			known = false
			time.Sleep(time.Second)
		}
		table.leave(last)
		if n := len(table.topics["slack://events"].judged); n != people-1 {
			t.Errorf("%d follow when one of %d has left", n, people)
		}
	})
}

// What waits for a person is judged again when it is written, also what waits in the window or is sent again.
func TestWhatIsTakenAwayIsNotTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, joined := range []bool{false, true} {
			table, court := newTable(50*time.Millisecond), &court{in: map[string][]string{"room": {"U1"}}}
			table.told = court.verdict
			b := boxOf("U1")
			s := table.follow(b, "slack://events", nil)
			if joined {
				table.notify("slack://events", "room")
				told(b)
			}
			table.notify("slack://events", "room")
			court.set("room")
			time.Sleep(time.Second)
			if n := told(b); n != 0 {
				t.Errorf("joined %v: told %d times of what was taken away", joined, n)
			}
			court.set("room", "U1")
			table.notify("slack://events", "room")
			if n := told(b); n != 1 {
				t.Fatalf("joined %v: told %d times", joined, n)
			}
			court.set("room")
			b.failed()
			if n := told(b); n != 0 {
				t.Errorf("joined %v: told again of what was taken away", joined)
			}
			b.resume("other-1", []*subscription{s})
			if n := told(b); n != 0 {
				t.Errorf("joined %v: told on resuming of what was taken away", joined)
			}
		}
	})
}

// What is undecided is told when it is decided, or not at all.
func TestUndecidedIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, decided := range []bool{true, false} {
			table, court := newTable(50*time.Millisecond), &court{in: map[string][]string{"room": {wondering}}}
			table.told = court.verdict
			b := boxOf("U1")
			table.follow(b, "slack://events", nil)
			table.notify("slack://events", "room")
			if n := told(b); n != 0 {
				t.Errorf("told %d times of what is not known", n)
			}
			time.Sleep(4 * time.Minute) // as long as Slack may not answer
			if decided {
				court.set("room", "U1")
			}
			time.Sleep(2 * time.Minute)
			if n := told(b); (n == 1) != decided {
				t.Errorf("decided %v: told %d times", decided, n)
			}
			table.mu.Lock()
			defer table.mu.Unlock()
			if len(table.doubts) != 0 {
				t.Errorf("%d are asked for ever", len(table.doubts))
			}
		}
	})
}

// What becomes undecided while it waits for its client is told when it is decided, also beside what is told at once.
func TestWhatBecomesUndecidedIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, beside := range []int{0, 1} {
			table, court := newTable(50*time.Millisecond), &court{in: map[string][]string{"room": {"U1"}, "hall": {"U1"}}}
			table.told = court.verdict
			b := boxOf("U1")
			table.follow(b, "slack://events", nil)
			if beside == 1 {
				table.notify("slack://events", "hall")
			}
			table.notify("slack://events", "room")
			time.Sleep(time.Second) // the window is over
			court.set("room", wondering)
			if n := told(b); n != beside {
				t.Errorf("told %d times, want %d", n, beside)
			}
			time.Sleep(time.Minute)
			court.set("room", "U1")
			time.Sleep(time.Minute)
			if n := told(b); n != 1 {
				t.Errorf("told %d times of what was decided later", n)
			}
		}
	})
}

// Who follows a resource late is told of what changed meanwhile as far as they may be.
func TestFollowingLate(t *testing.T) {
	t.Parallel()
	table, court := newTable(50*time.Millisecond), &court{in: map[string][]string{"room": {"U1"}}}
	table.told, table.recent, table.knownFrom = court.verdict, map[string]change{}, time.Now()
	since := time.Now()
	table.notify("slack://events", "room")
	u1, u2 := boxOf("U1"), boxOf("U2")
	table.catchUp(table.follow(u1, "slack://events", nil), since)
	table.catchUp(table.follow(u2, "slack://events", nil), since)
	if a, b := told(u1), told(u2); a != 1 || b != 0 {
		t.Errorf("told %d and %d times", a, b)
	}
}

// BenchmarkThousandPeople tells a thousand clients of one event of which each second one may be told, and takes
// what they are sent; services beside people.
func BenchmarkThousandPeople(b *testing.B) {
	for _, people := range []bool{false, true} {
		b.Run(map[bool]string{false: "services", true: "people"}[people], func(b *testing.B) {
			table := newTable(0)
			table.told = func(p *access.Principal, _ Cause) Verdict {
				who, _ := p.SignIn()
				return Verdict(who.Person.User[len(who.Person.User)-1] % 2)
			}
			var boxes []*outbox
			for i := range 1000 {
				box := newOutbox(10_000, make(chan struct{}, 1))
				if people {
					box = boxOf("U" + strconv.Itoa(i))
				}
				table.follow(box, "slack://events", nil)
				boxes = append(boxes, box)
			}
			var buf []byte
			for b.Loop() {
				table.notify("slack://events", "room")
				for _, box := range boxes {
					buf = box.take(buf[:0], lines)
				}
			}
		})
	}
}
