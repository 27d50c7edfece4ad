package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/search"
	"slackmcp/store/internal/eventlog"
	"slackmcp/webhook/event"
)

var blocksBegan = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// someEvent is an event of a workspace in which most is in a few channels. A few of its times
// go back.
func someEvent(r *rand.Rand, i int) event.Event {
	e := event.Event{
		Source: "slack", ID: fmt.Sprint("Ev", i), Raw: someText(r, i), Team: "T1", ChannelType: "channel",
		Kind: event.Kind{Type: "message"}, Channel: fmt.Sprint("C", r.IntN(r.IntN(30)+1)), User: fmt.Sprint("U", r.IntN(r.IntN(500)+1)),
		ReceivedAt: blocksBegan.Add(time.Duration(i)*time.Second - time.Duration(r.IntN(90))*time.Second), FromSelf: r.IntN(50) == 0,
	}
	switch r.IntN(20) {
	case 0:
		e.Source, e.Kind, e.Channel, e.Team, e.User, e.ChannelType = "github", event.Kind{Type: "push"}, "", "", "", ""
	case 1:
		e.Kind.Subtype = "channel_join"
	case 2:
		e.ChannelType = "im"
	case 3, 4, 5, 6:
		e.Thread = fmt.Sprint(i/100, ".1")
	}
	if i == 777 {
		e.Kind, e.Channel = event.Kind{Type: "team_rename"}, "Cquiet"
	}
	return e
}

// someText is the body of a message of a few words, of which most are common; a few are of very many words.
func someText(r *rand.Rand, i int) []byte {
	var text strings.Builder
	for range 8 {
		fmt.Fprintf(&text, "word%d ", r.IntN(r.IntN(2000)+1))
	}
	switch {
	case i == 778:
		text.WriteString("needle in the hay")
	case i%3000 == 5:
		for n := range 3000 {
			fmt.Fprintf(&text, "many%dof%d ", n, i)
		}
	}
	return fmt.Appendf(nil, `{"text":%q}`, text.String())
}

// words is a filter for words.
func words(t *testing.T, query string) *event.Text {
	t.Helper()
	text, err := search.Filter(query)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// publishAll publishes events in their order, many at once.
func publishAll(t *testing.T, q *Store, list []event.Event) {
	t.Helper()
	const together = 256
	for chunk := range slices.Chunk(list, together) {
		var all sync.WaitGroup
		for i := range chunk {
			all.Go(func() {
				if _, err := q.Publish(context.WithoutCancel(t.Context()), chunk[i]); err != nil {
					t.Errorf("Publish: %v", err)
				}
			})
		}
		all.Wait()
	}
}

// someFilters are filters of all kinds, also such as select nothing.
func someFilters(t *testing.T, r *rand.Rand, n int) (list []event.Filter) {
	t.Helper()
	kinds := func(names ...string) []event.Pattern {
		p, err := event.ParsePatterns(names...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	at := func() time.Time { return blocksBegan.Add(time.Duration(r.IntN(n)) * time.Second) }
	list = []event.Filter{
		{Channel: "Cquiet"},
		{Channel: "Cnone"},
		{Thread: "3.1"},
		{Thread: "none"},
		{User: "U499"},
		{User: "nobody"},
		{Source: "github"},
		{Source: "github", Channel: "C1"},
		{Team: "T2"},
		{Team: "T1", ExcludeSelf: true, Until: at()},
		{Patterns: kinds("team_rename")},
		{Patterns: kinds("message/channel_join")},
		{Patterns: kinds("message/")},
		{Patterns: kinds("message.im")},
		{Patterns: kinds("*")},
		{Patterns: kinds("push", "message.im", "message/channel_join")},
		{Patterns: kinds("never")},
		{Until: blocksBegan},
		{Until: at()},
		{Since: at()},
		{Since: at(), Until: at(), User: "U1"},
		{Text: words(t, "needle")},
		{Text: words(t, "word7 word3"), Channel: "C1"},
		{Text: words(t, "need*")},
		{Text: words(t, "many2999of*")},
		{Sight: sightOf("U1", "Cquiet")},
		{Sight: sightOf("U1", "C1", "C2")},
		{Sight: sightOf("U499"), Source: "slack"},
		{Sight: sightOf("U499", "C3"), Text: words(t, "word7 word3")},
	}
	for range 20 {
		list = append(list, event.Filter{Channel: fmt.Sprint("C", r.IntN(30)), User: fmt.Sprint("U", r.IntN(500)), Until: at()})
	}
	return list
}

// sightOf is what a user sees who is in some conversations: what is said there, what is in none, and what they did.
func sightOf(user string, in ...string) *event.Sight {
	var hidden []string
	for i := range 30 {
		if c := fmt.Sprint("C", i); !slices.Contains(in, c) {
			hidden = append(hidden, c)
		}
	}
	return &event.Sight{
		NeedsBody: func(*event.Event) bool { return false }, Self: user, Hidden: func() ([]string, []string) { return hidden, in },
		Sees: func(e *event.Event) bool { return !slices.Contains(hidden, e.Channel) || e.User == user },
	}
}

// readAll reads what a filter selects to its end.
func readAll(t *testing.T, q *Store, query event.Query) (ids []string, pages int) {
	t.Helper()
	for {
		p, err := q.History(t.Context(), query)
		if err != nil {
			t.Fatalf("History(%+v): %v", query, err)
		}
		pages++
		for i := range p.Events {
			ids = append(ids, p.Events[i].ID)
		}
		if !p.More {
			return ids, pages
		}
		query.After = p.Next
	}
}

// checkFilters compares what the store answers with what it has.
func checkFilters(t *testing.T, when string, q *Store, r *rand.Rand, n int) {
	t.Helper()
	var all []event.Event
	for query := (event.Query{Order: event.OldestFirst, Limit: event.MaxLimit}); ; {
		p, err := q.History(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, p.Events...); !p.More {
			break
		}
		query.After = p.Next
	}
	for _, f := range someFilters(t, r, n) {
		var want []string
		for i := range all {
			if f.Match(&all[i]) && f.Sees(&all[i]) && f.Says(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		for _, limit := range []int{7, event.MaxLimit} {
			if limit == 7 && len(want) > 500 {
				continue
			}
			got, _ := readAll(t, q, event.Query{Filter: f, Order: event.OldestFirst, Limit: limit, NoBodies: true})
			if !slices.Equal(got, want) {
				t.Errorf("%s: %+v by %d, oldest first, has %d events, want %d", when, f, limit, len(got), len(want))
			}
			got, _ = readAll(t, q, event.Query{Filter: f, Limit: limit, ScanBudget: 900})
			slices.Reverse(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %+v by %d, newest first, has %d events, want %d", when, f, limit, len(got), len(want))
			}
		}
	}
}

// blocksOf is how many blocks the file has.
func blocksOf(t *testing.T, q *Store) (n int64) {
	t.Helper()
	err := q.readers.use(t.Context(), func(s session) (err error) {
		n, err = s.number("SELECT count(*) FROM blocks JOIN block_words USING (block, stored_at)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openBlocks(t *testing.T, dir string, count int) *Store {
	t.Helper()
	q, err := Open(t.Context(), Options{Dir: dir, RetentionAge: -1, RetentionCount: count, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// TestBlocksFindWhatFiltersSelect compares reads with a filter with reads of everything, while blocks are
// whole, after a restart within a block, after retention, and while a part of the blocks is missing.
func TestBlocksFindWhatFiltersSelect(t *testing.T) {
	const n = 3*eventlog.BlockSize + 500
	r := rand.New(rand.NewPCG(22, 1))
	var list []event.Event
	for i := range n {
		list = append(list, someEvent(r, i))
	}
	dir := t.TempDir()
	q := openBlocks(t, dir, n)
	publishAll(t, q, list[:eventlog.BlockSize+100])
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openBlocks(t, dir, n)
	publishAll(t, q, list[eventlog.BlockSize+100:])
	waitForBlocks(t, q, 3)
	checkFilters(t, "whole", q, r, n)

	// An event of long ago, or none, is one page away.
	for _, f := range []event.Filter{{Channel: "Cquiet"}, {Channel: "Cnone"}, {Until: blocksBegan}, {Text: words(t, "needle")}, {Text: words(t, "nowhere")}} {
		if _, pages := readAll(t, q, event.Query{Filter: f, ScanBudget: 5000}); pages != 1 {
			t.Errorf("%+v took %d pages, want 1", f, pages)
		}
	}
	// Of the block in which a time lies few events are read, besides those of the block that is not full.
	if p, err := q.History(t.Context(), event.Query{Filter: event.Filter{Until: blocksBegan.Add(10 * time.Minute)}, Limit: 20, ScanBudget: 900}); err != nil || len(p.Events) != 20 {
		t.Errorf("before a time %d events were found (%v), want 20", len(p.Events), err)
	}
	// What is said where the reader is not is passed over, but for the block that is not full.
	looked, sight := 0, sightOf("nobody", "Cquiet")
	sees := sight.Sees
	sight.Sees = func(e *event.Event) bool {
		looked++
		return sees(e)
	}
	if got, _ := readAll(t, q, event.Query{Filter: event.Filter{Source: "slack", Sight: sight}}); !slices.Equal(got, []string{"Ev777"}) || looked > 600 {
		t.Errorf("who is in a quiet conversation sees %v, for which %d events of %d are looked at", got, looked, n)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}

	// What an earlier build wrote has no blocks: they are made.
	spoilBlocks(t, dir, "DELETE FROM blocks WHERE block <> 1; DELETE FROM block_lists WHERE id & 1048575 <> 1; UPDATE blocks SET stored_at = 1")
	q = openBlocks(t, dir, n-eventlog.BlockSize)
	checkFilters(t, "while blocks are made", q, r, n)
	waitForBlocks(t, q, 3)
	checkFilters(t, "with blocks made again", q, r, n)

	// An earlier build has made a block of other events, and knows nothing of its words; and one has kept none.
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	spoilBlocks(t, dir, "UPDATE block_words SET stored_at = 1 WHERE block = 1; DELETE FROM block_words WHERE block = 2; DELETE FROM block_lists WHERE id >= 10 << 40 AND id & 1048575 > 0")
	q, err := Open(t.Context(), Options{Dir: dir, RetentionAge: -1, RetentionCount: n - eventlog.BlockSize, NoWords: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, q, event.Query{Filter: event.Filter{Text: words(t, "hay needle")}}); !slices.Equal(got, []string{"Ev778"}) {
		t.Errorf("without an index the needle is in %v", got)
	}
	if got := blocksOf(t, q); got != 1 {
		t.Errorf("%d blocks have words, want the one whose are right", got)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openBlocks(t, dir, n-eventlog.BlockSize)
	waitForBlocks(t, q, 3)
	checkFilters(t, "with words made again", q, r, n)

	// Retention.
	var more []event.Event
	for i := range 200 {
		more = append(more, someEvent(r, n+i))
	}
	publishAll(t, q, more)
	waitForEvents(t, q, n-eventlog.BlockSize)
	checkFilters(t, "after retention", q, r, n+200)
	waitForBlocks(t, q, 2)
}

// TestWordsOfABlockThatARestartCuts reopens a store within a block, and fills the block with events of long bodies: none
// of its words are read before events are received, all are found, and in the end they are in the lists; and so they are
// when the block is made again while the next one has begun.
func TestWordsOfABlockThatARestartCuts(t *testing.T) {
	const n, cut = eventlog.BlockSize + 10, 1000
	r := rand.New(rand.NewPCG(23, 1))
	var list []event.Event
	for i := range n {
		e := someEvent(r, i)
		if i%1000 < 6 {
			e.Raw = fmt.Appendf(nil, `{"text":"long%d %s"}`, i, strings.Repeat("and so on ", makeBytes/15))
		}
		list = append(list, e)
	}
	dir := t.TempDir()
	q := openBlocks(t, dir, n)
	for i := range 6 {
		publishAll(t, q, list[i:i+1])
	}
	publishAll(t, q, list[6:cut])
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openBlocks(t, dir, n)
	nowhere := eventlog.SearchFor(&event.Filter{Text: words(t, "nowhere")}, 0)
	if places := q.recent.find(0, &nowhere); places != eventlog.AllPlaces() {
		t.Error("the words of events of before the start are known: their bodies were read before it")
	}
	check := func(when string) {
		t.Helper()
		for word, want := range map[string][]string{"needle": {"Ev778"}, "long4": {"Ev4"}, "nowhere": nil} {
			if got, _ := readAll(t, q, event.Query{Filter: event.Filter{Text: words(t, word)}, NoBodies: true}); !slices.Equal(got, want) {
				t.Errorf("%s: %q is in %v, want %v", when, word, got, want)
			}
		}
	}
	check("after the start")
	publishAll(t, q, list[cut:])
	check("full")
	waitForBlocks(t, q, 1)
	check("with its lists")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	spoilBlocks(t, dir, "DELETE FROM block_words")
	q = openBlocks(t, dir, n)
	waitForBlocks(t, q, 1)
	check("with its lists made again")
	err := q.readers.use(t.Context(), func(s session) error {
		long, err := s.numbers("SELECT length(list) FROM block_lists WHERE id = ?", listID(eventlog.Field(eventlog.Fields), 0))
		if len(long) != 0 {
			t.Error("there are events whose words are in no list")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMissingWordsAreMadeInSmallSteps reads events of long bodies for a block.
func TestMissingWordsAreMadeInSmallSteps(t *testing.T) {
	var list []event.Event
	for i := range 12 {
		list = append(list, event.Event{
			Source: "shop", ID: fmt.Sprint("Ev", i), Kind: event.Kind{Type: "order"}, ReceivedAt: blocksBegan,
			Raw: fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x ", makeBytes/8)),
		})
	}
	q := openBlocks(t, t.TempDir(), 100)
	publishAll(t, q, list)
	err := q.readers.use(t.Context(), func(s session) error {
		var b eventlog.Block
		for from, want := range map[int64]int64{1: 4, 5: 8, 10: 12} {
			if last, whole, err := addRows(s, &b, new(eventlog.Words), from, 12); last != want || !whole || err != nil {
				t.Errorf("from %d a step reads up to %d (%v, %v), want %d", from, last, whole, err, want)
			}
		}
		if last, _, err := addRows(s, &b, nil, 1, 12); last != 12 || err != nil {
			t.Errorf("without words it reads up to %d (%v), want 12", last, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func waitForBlocks(t *testing.T, q *Store, want int64) {
	t.Helper()
	for range 1000 {
		if blocksOf(t, q) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("there are %d blocks, want %d", blocksOf(t, q), want)
}

// waitForEvents waits until retention has left so many events.
func waitForEvents(t *testing.T, q *Store, want int64) {
	t.Helper()
	for range 2000 {
		s, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Events == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("retention does not come to %d events", want)
}

// spoilBlocks changes the file of a closed store.
func spoilBlocks(t *testing.T, dir, script string) {
	t.Helper()
	o, err := Options{Dir: dir}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	f, err := own(o.Dir, o.Topic)
	if err != nil {
		t.Fatal(err)
	}
	defer f.release()
	d, err := openDatabase(f.db, queueLayout, Full)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.script(script); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
}
