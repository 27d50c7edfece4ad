package sight_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

// sealer is enough of one for who writes no cursors.
type sealer struct{}

func (sealer) Seal(_ string, plain []byte) []byte           { return plain }
func (sealer) Open(_ string, sealed []byte) ([]byte, error) { return sealed, nil }

func person(user string) *access.Principal {
	return access.SignedIn(access.SignIn{ID: "s" + user, Person: access.Person{Host: "slack.com", Team: "T1", User: user}}, access.Read, access.Events)
}

// asSeen is a log as U1 sees it.
func asSeen(log event.Log, members *eventtest.Members) sight.Log {
	show := func(_ access.Person, _ func(string) bool, e *event.Event) event.Event { return *e }
	return sight.Over(log, sight.Options{Judge: members, Show: show, Cursors: sealer{}}).For(sight.Of(person("U1")))
}

// said are n events: of each fourth U1 may see the conversation.
func said(n int, hidden bool) *eventtest.Log {
	log := &eventtest.Log{}
	for i := range n {
		e := event.Event{ID: fmt.Sprintf("Ev%d", i), Channel: "CHIDDEN", Raw: make([]byte, 100)}
		if i%4 == 1 || i == n/2 {
			e.Channel = "COPEN"
		} else if !hidden {
			continue
		}
		log.Append(e)
	}
	return log
}

// pages reads a log to its end, and tells what each page had, and whether more was said to follow.
func pages(t *testing.T, log event.Log, q event.Query) (all []string) {
	t.Helper()
	for range 200 {
		more := false
		err := log.Query(t.Context(), q, func(p event.Page) error {
			var ids []string
			for i := range p.Events {
				ids = append(ids, p.Events[i].ID)
			}
			all = append(all, fmt.Sprint(ids, p.More, p.Next == "", p.Unjudged))
			more, q.After = p.More, p.Next
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return all
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

// Each page is what it would be had the hidden never happened. The clock stands still, so that every page is filled,
// however busy the machine.
func TestPagesAreAsIfTheHiddenWereNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := &eventtest.Members{}
		members.Put("COPEN", "U1")
		for _, n := range []int{0, 1, 7, 120} {
			for _, order := range []event.Order{event.NewestFirst, event.OldestFirst} {
				for _, limit := range []int{1, 3, 50, event.MaxLimit} {
					for _, most := range []int{0, 150} {
						for _, scan := range []int{0, 2, 5} { // the log looks at so many at once
							q := event.Query{Order: order, Limit: limit, MaxBytes: most}
							name := fmt.Sprintf("%d events, order %d, limit %d, bytes %d, scan %d", n, order, limit, most, scan)
							bare, whole := said(n, false), said(n, true)
							whole.Scan = scan
							want, got := pages(t, asSeen(bare, members), q), pages(t, asSeen(whole, members), q)
							if !slices.Equal(got, want) {
								t.Errorf("%s:\n got %v\nwant %v", name, got, want)
							}
						}
					}
				}
			}
		}
	})
}

// A log of which retention removes what lies behind a page while the page is filled.
type trimmed struct {
	*eventtest.Log

	reads int // that succeed
}

func (l *trimmed) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	if l.reads--; l.reads < 0 {
		return &event.CursorExpiredError{}
	}
	return l.Log.Query(ctx, q, use)
}

// What is held for a page is shown, though what follows it was removed meanwhile.
func TestWhatFollowsIsRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := &eventtest.Members{}
		members.Put("COPEN", "U1")
		for order, want := range map[event.Order]string{event.NewestFirst: "[Ev117 Ev113 Ev109] false", event.OldestFirst: "[Ev1 Ev5 Ev9] true"} {
			log := &trimmed{Log: said(120, true), reads: 2}
			log.Scan = 6
			got := ""
			err := asSeen(log, members).Query(t.Context(), event.Query{Order: order, Limit: 50}, func(p event.Page) error {
				var ids []string
				for i := range p.Events {
					ids = append(ids, p.Events[i].ID)
				}
				got = fmt.Sprint(ids, p.More)
				if (p.Next == "") == p.More {
					t.Errorf("order %d: more %v behind %q", order, p.More, p.Next)
				}
				return nil
			})
			if err != nil || got != want {
				t.Errorf("order %d: %s, %v, want %s", order, got, err, want)
			}
		}
		// Where nothing is held the question has failed.
		log := &trimmed{Log: said(120, true)}
		if err := asSeen(log, members).Query(t.Context(), event.Query{Limit: 50}, func(event.Page) error { return nil }); err == nil {
			t.Error("a cursor that is gone is taken")
		}
	})
}

// A judge that changes its mind: what was visible is unknown from the time on that another event is met.
type doubts struct {
	*eventtest.Members
	at string
}

func (d *doubts) See(p access.Person, e *event.Event) visibility.Verdict {
	if e.ID == d.at {
		d.Forget("COPEN")
	}
	return d.Members.See(p, e)
}

// TestWhatBecomesUnknown: what was found for a page and is unknown by the time that the page is given is left out,
// and the page says so, also where it was held while the page was filled.
func TestWhatBecomesUnknown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scan int
		at   string
	}{"found": {0, "Ev7"}, "held": {2, "Ev7"}} {
		members := &doubts{&eventtest.Members{}, tc.at}
		members.Put("COPEN", "U1")
		log := &eventtest.Log{Scan: tc.scan}
		for i := range 8 {
			log.Append(event.Event{ID: fmt.Sprintf("Ev%d", i), Channel: []string{"CHIDDEN", "COPEN"}[i%7%2]})
		}
		show := func(_ access.Person, _ func(string) bool, e *event.Event) event.Event { return *e }
		l := sight.Over(log, sight.Options{Judge: members, Show: show, Cursors: sealer{}}).For(sight.Of(person("U1")))
		err := l.Query(t.Context(), event.Query{Order: event.OldestFirst, Limit: 50}, func(p event.Page) error {
			if len(p.Events) != 0 || !p.Unjudged {
				t.Errorf("%s: %d events, said %v", name, len(p.Events), p.Unjudged)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestWordsOfWhatIsShown: a person finds words in what they are shown, and nobody looks for them in what they may not
// see, nor tells how far a search has looked.
func TestWordsOfWhatIsShown(t *testing.T) {
	t.Parallel()
	members := &eventtest.Members{}
	members.Put("COPEN", "U1")
	log := &looked{Log: &eventtest.Log{}}
	for i := range 20 {
		channel := []string{"COPEN", "CHIDDEN"}[i%2]
		log.Append(event.Event{ID: fmt.Sprintf("Ev%d", i), Channel: channel, Raw: []byte("a word, and a secret of " + channel)})
	}
	show := func(_ access.Person, _ func(string) bool, e *event.Event) event.Event {
		shown := *e
		shown.Raw = bytes.ReplaceAll(e.Raw, []byte("secret"), nil)
		return shown
	}
	l := sight.Over(log, sight.Options{Judge: members, Show: show, Cursors: sealer{}}).For(sight.Of(person("U1")))
	for word, want := range map[string]int{"word": 10, "secret": 0, "CHIDDEN": 0} {
		q := event.Query{Limit: 4, Filter: event.Filter{Text: &event.Text{Query: word, Says: func(e *event.Event) bool {
			if e.Channel != "COPEN" {
				t.Errorf("%q is looked for in %s", word, e.ID)
			}
			return bytes.Contains(e.Raw, []byte(word))
		}}}}
		n := 0
		for more := true; more; {
			err := l.Query(t.Context(), q, func(p event.Page) error {
				n += len(p.Events)
				if more, q.After = p.More, p.Next; !p.Looked.IsZero() {
					t.Errorf("%q: it is told that the search looked as far as %v", word, p.Looked)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if log.words != "" {
			t.Errorf("the store is told %q, which its index may find in what is hidden", log.words)
		}
		if n != want {
			t.Errorf("%q is found %d times, want %d", word, n, want)
		}
	}
}

// looked is a log that tells how far it has looked, and keeps the words that it was asked for last.
type looked struct {
	*eventtest.Log
	words string
}

func (l *looked) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	l.words = q.Filter.Text.Query
	return l.Log.Query(ctx, q, func(p event.Page) error {
		p.Looked = time.Unix(1_700_000_000, 0)
		return use(p)
	})
}

// learner counts for what it is asked.
type learner struct {
	*eventtest.Members
	learnt []string
}

func (l *learner) Learn(_ access.Person, channel string) bool {
	if channel == "CFAKE" {
		return false
	}
	l.learnt = append(l.learnt, channel)
	return true
}

// Of the conversations that an event names, two are asked for that may be, and those that are known are not.
func TestFewConversationsAreLearnt(t *testing.T) {
	t.Parallel()
	members := &learner{Members: &eventtest.Members{}}
	members.Put("COPEN", "U1")
	for _, id := range []string{"CFAKE", "C1", "C2", "C3"} {
		members.Forget(id)
	}
	log := &eventtest.Log{}
	log.Append(event.Event{ID: "Ev1", Channel: "COPEN", Raw: []byte("{}")})
	show := func(_ access.Person, sees func(string) bool, e *event.Event) event.Event {
		for _, id := range []string{"COPEN", "CFAKE", "C1", "C2", "C3"} {
			if sees(id) != (id == "COPEN") {
				t.Errorf("%s is not as it should be", id)
			}
		}
		return *e
	}
	l := sight.Over(log, sight.Options{Judge: members, Show: show, Cursors: sealer{}}).For(sight.Of(person("U1")))
	if err := l.Get(t.Context(), event.SourceSlack, "Ev1", func(*event.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(members.learnt, []string{"C1", "C2"}) {
		t.Errorf("it asks for %v", members.learnt)
	}
}

func blind(l *eventtest.Log) *eventtest.Log {
	l.Blind = true
	return l
}

// A log that knows nothing of sights shows nothing hidden all the same.
func TestAStoreThatJudgesNothing(t *testing.T) {
	t.Parallel()
	members := &eventtest.Members{}
	members.Put("COPEN", "U1")
	log := asSeen(blind(said(100, true)), members)
	err := log.Query(t.Context(), event.Query{Limit: 80}, func(p event.Page) error {
		for i := range p.Events {
			if p.Events[i].Channel != "COPEN" {
				t.Errorf("%s is shown", p.Events[i].ID)
			}
		}
		if len(p.Events) < 15 {
			t.Errorf("%d events", len(p.Events))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is unknown is waited for, and is a no in the end, which is said.
func TestUnknownIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			members := &eventtest.Members{}
			members.Forget("COPEN")
			if answered {
				members.Answer = func() { members.Put("COPEN", "U1") }
			}
			log, began := asSeen(said(20, true), members), time.Now()
			err := log.Query(t.Context(), event.Query{}, func(p event.Page) error {
				if (len(p.Events) == 6) != answered || p.Unjudged == answered {
					t.Errorf("answered %v: %d events, said %v", answered, len(p.Events), p.Unjudged)
				}
				return nil
			})
			if took := time.Since(began); err != nil || took > 3*time.Second || !answered && took < time.Second {
				t.Errorf("answered %v: it took %s, %v", answered, took, err)
			}
			members.Forget("COPEN")
			got := 0
			err = log.Get(t.Context(), event.SourceSlack, "Ev1", func(*event.Event) error {
				got++
				return nil
			})
			if (got == 1) != answered || errors.Is(err, event.ErrNotFound) == answered {
				t.Errorf("answered %v: got it %d times, %v", answered, got, err)
			}
		})
	}
}

// Who follows the log is not led past what is unknown, while it is young: when it is known it comes in its order, and what
// is never known is passed over.
func TestWhoFollowsWaitsForWhatIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		decide func(*eventtest.Members)
		want   string
	}{
		"visible":     {func(r *eventtest.Members) { r.Put("CLATER", "U1") }, "[[Ev0 Ev2] [Ev3 Ev4]]"},
		"hidden":      {func(r *eventtest.Members) { r.Put("CLATER", "U2") }, "[[Ev0 Ev2] [Ev4]]"},
		"never known": {func(*eventtest.Members) { time.Sleep(time.Minute) }, "[[Ev0 Ev2] [Ev4]]"},
	} {
		for _, scan := range []int{0, 1, 2} {
			for _, unseeing := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					members, log := &eventtest.Members{}, &eventtest.Log{Scan: scan, Blind: unseeing}
					members.Put("COPEN", "U1")
					members.Forget("CLATER")
					for i, channel := range []string{"COPEN", "CLATER", "COPEN", "CLATER", "COPEN"} {
						at := time.Now()
						if i == 1 {
							at = at.Add(-time.Hour) // of which nobody waits to know more
						}
						log.Append(event.Event{ID: fmt.Sprint("Ev", i), Channel: channel, ReceivedAt: at, Raw: []byte("{}")})
					}
					follows := asSeen(log, members).Following()
					pages := make([][]string, 2)
					q := event.Query{Order: event.OldestFirst, Limit: 50}
					for stage := range pages {
						for more := true; more; {
							err := follows.Query(t.Context(), q, func(p event.Page) error {
								for i := range p.Events {
									pages[stage] = append(pages[stage], p.Events[i].ID)
								}
								if more, q.After = p.More, p.Next; stage == 0 && !p.Unjudged && !p.More {
									t.Errorf("%s: the page that ends before what is unknown does not say so", name)
								}
								return nil
							})
							if err != nil {
								t.Fatal(err)
							}
						}
						c.decide(members)
					}
					if got := fmt.Sprint(pages); got != c.want {
						t.Errorf("%s, scan %d, blind %v: %s, want %s", name, scan, unseeing, got, c.want)
					}
				})
			}
		}
	}
}

// A hidden event is as one that there is not: the same error, after the same time.
func TestHiddenIsNotFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := &eventtest.Members{}
		members.Put("COPEN", "U1")
		log := asSeen(said(4, true), members)
		var took []time.Duration
		var words []string
		for _, id := range []string{"Ev0", "EvNone"} {
			began := time.Now()
			err := log.Get(t.Context(), event.SourceSlack, id, func(*event.Event) error {
				t.Errorf("%s is shown", id)
				return nil
			})
			took, words = append(took, time.Since(began)), append(words, fmt.Sprint(err))
		}
		if took[0] != took[1] || took[0] == 0 || words[0] != words[1] {
			t.Errorf("%v, %q", took, words)
		}
	})
}

// Who loses a conversation while they follow it is shown no more of it, not even of the past.
func TestVisibilityIsTakenAwayMeanwhile(t *testing.T) {
	t.Parallel()
	members, log := &eventtest.Members{}, said(8, true)
	members.Put("COPEN", "U1")
	f := event.Follow(asSeen(log, members), event.Query{Limit: 1})
	defer f.Close()
	read := func() (n int) {
		if err := f.Read(t.Context(), func(p event.Page) error {
			n = len(p.Events)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := read(); n != 1 {
		t.Fatalf("%d events before", n)
	}
	members.Remove("COPEN", "U1")
	if n := read(); n != 0 {
		t.Errorf("%d events behind it", n)
	}
}

var _ sight.Judge = (*eventtest.Members)(nil)

// A caller who is gone is not waited for.
func TestAReaderLeaves(t *testing.T) {
	t.Parallel()
	members := &eventtest.Members{}
	members.Forget("COPEN")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := asSeen(said(4, true), members).Query(ctx, event.Query{}, func(event.Page) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
