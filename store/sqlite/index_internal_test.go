package sqlite

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"slackmcp/store/internal/eventlog"
	"slackmcp/webhook/event"
)

// aBlock is a closed store with a block of events and some more.
func aBlock(t *testing.T) (dir string) {
	t.Helper()
	const n = eventlog.BlockSize + 10
	r := rand.New(rand.NewPCG(24, 1))
	var list []event.Event
	for i := range n {
		list = append(list, someEvent(r, i))
	}
	dir = t.TempDir()
	q := openBlocks(t, dir, n)
	publishAll(t, q, list)
	waitForBlocks(t, q, 1)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestVerifyComparesTheIndex changes the index of a store so that it does not find an event: a deep look says so and what
// to do, and what that makes is whole.
func TestVerifyComparesTheIndex(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, dir string) []*DamageError {
		t.Helper()
		r, err := Check(t.Context(), dir, "", true)
		if err != nil {
			t.Fatal(err)
		}
		return r.Problems
	}
	const words = "id >= 10 << 40"
	for name, script := range map[string]string{
		"nothing":                      "",
		"a word":                       "UPDATE block_lists SET list = x'00' || substr(list, 2) WHERE id = (SELECT max(id) FROM block_lists WHERE id >> 40 < 74)",
		"a list of words":              "DELETE FROM block_lists WHERE id = (SELECT max(id) FROM block_lists WHERE id >> 40 < 74)",
		"a list of words of no form":   "UPDATE block_lists SET list = x'0102' WHERE id = (SELECT min(id) FROM block_lists WHERE " + words + ")",
		"the events of too many words": "DELETE FROM block_lists WHERE id >> 40 = 9",
		"a list of a field":            "UPDATE block_lists SET list = substr(list, 1, length(list) - 520) WHERE id >> 40 = 0",
		"when its parts begin":         "UPDATE block_lists SET list = x'7f' || substr(list, 2) WHERE id = (SELECT max(id) FROM block_lists)",
		"when it begins":               "UPDATE blocks SET min_at = min_at + 1",
		"when it ends":                 "UPDATE blocks SET max_at = max_at - 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := aBlock(t)
			if script == "" {
				if got := check(t, dir); len(got) > 0 {
					t.Errorf("a whole store has the problems %v", got)
				}
				return
			}
			spoilBlocks(t, dir, script)
			if got := check(t, dir); len(got) != 1 || !strings.Contains(got[0].What, "index") || !strings.Contains(got[0].Remedy, "store repair") {
				t.Errorf("the problems are %v, want that the index is to be made anew", got)
			}
			if _, err := Repair(t.Context(), Options{Dir: dir}, true); err != nil {
				t.Fatal(err)
			}
			q := openBlocks(t, dir, 2*eventlog.BlockSize)
			waitForBlocks(t, q, 1)
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			if got := check(t, dir); len(got) > 0 {
				t.Errorf("after the repair the problems are %v", got)
			}
		})
	}
}

// TestADamagedListOfWordsHidesNothing spoils the lists of words, in their form and on the disk: filters without words find
// what they found, and a search finds its events too, page by page, and says how far it has looked.
func TestADamagedListOfWordsHidesNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"of no form": func(t *testing.T, dir string) {
			spoilBlocks(t, dir, "UPDATE block_lists SET list = x'0102' WHERE id >> 40 BETWEEN 10 AND 73")
		},
		"unreadable": func(t *testing.T, dir string) {
			overwritePages(t, dir, "SELECT list FROM block_lists WHERE id >> 40 BETWEEN 10 AND 73")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := aBlock(t)
			spoil(t, dir)
			q := openBlocks(t, dir, 2*eventlog.BlockSize)
			if got, _ := readAll(t, q, event.Query{Filter: event.Filter{Channel: "Cquiet"}, NoBodies: true}); !slices.Equal(got, []string{"Ev777"}) {
				t.Errorf("a quiet channel has %v", got)
			}
			query := event.Query{Filter: event.Filter{Text: words(t, "needle")}, ScanBudget: 1000, NoBodies: true}
			if p, err := q.History(t.Context(), query); err != nil || len(p.Events) > 0 || !p.More || p.Next == "" || p.Looked.IsZero() {
				t.Errorf("the first page of a search is %+v, %v, want none and how far it looked", p, err)
			}
			if got, pages := readAll(t, q, query); !slices.Equal(got, []string{"Ev778"}) || pages < 4 {
				t.Errorf("a search finds %v on %d pages", got, pages)
			}
		})
	}
}

// overwritePages overwrites the pages of a closed store that hold the bytes which a query answers.
func overwritePages(t *testing.T, dir, query string) {
	t.Helper()
	path := queueFile(dir, DefaultTopic)
	db, err := connect(path, "ro")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	if err := rows.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%d rows, %v", len(all), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	done := false
	for _, b := range all {
		if at := bytes.Index(file, b[len(b)-16:]); at >= 0 {
			page := file[at/pageSize*pageSize:][:pageSize]
			copy(page, bytes.Repeat([]byte{0xff}, pageSize))
			done = true
		}
	}
	if !done {
		t.Fatal("no page has the bytes")
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}
