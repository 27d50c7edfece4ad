package sight_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/search"
	"slackmcp/mcp/access"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/view"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// quiet is a Slack with private conversations, of which U7 is in one like the others and U299 in one in which nothing was
// said but in the beginning.
type quiet struct{ workspace }

func (quiet) Members(_ context.Context, channel, _ string, _ int) (slackapi.MemberPage, error) {
	return slackapi.MemberPage{Members: []string{"U1", "U" + channel[1:]}}, nil
}

// stored is a store as readers have it who find nothing in the window.
type stored struct{ *sqlite.Store }

func (s stored) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	p, err := s.History(ctx, q)
	if err != nil {
		return err
	}
	return use(p)
}

func (stored) Get(context.Context, string, string, func(*event.Event) error) error {
	return event.ErrNotFound
}

func (stored) Watch(event.Filter) (<-chan struct{}, func()) { return nil, func() {} }

func (stored) Newest() event.Position { return "" }

// inQuiet is a store of messages in 300 conversations, before a judge who knows all of them. There are 100,000, or
// QUIET_EVENTS.
func inQuiet(b *testing.B) (stored, *visibility.Judge) {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("QUIET_EVENTS"))
	if err != nil {
		n = 100_000
	}
	w := quiet{workspace{300}}
	self := visibility.Install{Host: "slack.com", Team: "T1", Bot: "UBOT"}
	j, err := visibility.New(visibility.Options{Bot: w, People: w, Self: func() (visibility.Install, bool) { return self, true }, Pace: 1e6})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(j.Close)
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	go func() { _ = j.Run(ctx) }()
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: b.TempDir(), RetentionAge: -1, RetentionCount: n})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	var all sync.WaitGroup
	numbers := make(chan int)
	for range 256 {
		all.Go(func() {
			for i := range numbers {
				if _, err := store.Publish(ctx, said300(i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	at := func(user string) access.Person { return access.Person{Host: "slack.com", Team: "T1", User: user} }
	for known := 0; known < 300; {
		known = 0
		for i := range 300 {
			if j.See(at("U7"), &event.Event{Source: event.SourceSlack, Team: "T1", Channel: fmt.Sprint("C", i)}) != visibility.Unknown {
				known++
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	j.See(at("U299"), &event.Event{Source: event.SourceSlack, Team: "T1", Channel: "C1"})
	_ = j.Await(ctx, at("U299"))
	return stored{store}, j
}

// said300 is a message in one of 300 conversations, of which the last has the first hundred.
func said300(i int) event.Event {
	channel := i % 299
	if i < 100 {
		channel = 299
	}
	return event.Event{
		Source: event.SourceSlack, ID: fmt.Sprint("Ev", i), Kind: event.Kind{Type: "message"}, Team: "T1", ChannelType: "group", Encoding: event.JSON,
		Channel: fmt.Sprint("C", channel), User: []string{"U1", fmt.Sprint("U", channel)}[i%2], ReceivedAt: time.Unix(1_700_000_000+int64(i), 0),
		Raw: fmt.Appendf(nil, `{"type":"event_callback","event":{"type":"message","text":"number%d of what somebody says %s"},"pad":"%0600d"}`, i, "in a few words that are like others", i),
	}
}

// BenchmarkQuiet reads the newest 50 events of a store, and searches for a word that nobody has said, as a person who is in
// one of 300 conversations: in one like the others, and in a quiet one. It reports the slowest of 20.
func BenchmarkQuiet(b *testing.B) {
	log, j := inQuiet(b)
	show := func(p access.Person, sees func(string) bool, e *event.Event) event.Event {
		return view.Seer{User: p.User, Sees: sees}.Event(e)
	}
	events := sight.Over(log, sight.Options{Judge: j, Show: show, Cursors: sealer{}})
	nowhere, err := search.Filter("nowhere")
	if err != nil {
		b.Fatal(err)
	}
	for _, user := range []string{"U7", "U299"} {
		for name, q := range map[string]event.Query{"list": {}, "search": {Filter: event.Filter{Text: nowhere}, ScanBudget: 5000}} {
			b.Run(user+"/"+name, func(b *testing.B) {
				var took []time.Duration
				found, pages := 0, 0
				for b.Loop() {
					began := time.Now()
					found, pages = readPages(b, events.For(sight.Of(person(user))), q)
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
				b.ReportMetric(float64(found), "events")
				b.ReportMetric(float64(pages), "pages")
			})
		}
	}
}

// readPages reads until there are 50 events, or no more.
func readPages(b *testing.B, log sight.Log, q event.Query) (found, pages int) {
	b.Helper()
	for more := true; more && found < 50; {
		err := log.Query(b.Context(), q, func(p event.Page) error {
			found += len(p.Events)
			more, q.After = p.More, p.Next
			pages++
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return found, pages
}
