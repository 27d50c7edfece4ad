package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// corpus returns the files of a folder of payloads as Slack sent them. They are not
// part of this repository; the hand-written ones always are.
func corpus(t *testing.T, kind string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	ours := map[string]string{"events": "../../webhook/testdata/slack", "interactions": "testdata/interactions"}[kind]
	for _, dir := range []string{ours, "../../../shared/corpus/slack/" + kind} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[dir+"/"+filepath.Base(path)] = b
		}
	}
	if len(files) == 0 {
		t.Fatalf("no payloads of %s", kind)
	}
	return files
}

var eventID = regexp.MustCompile(`"event_id":\s*"[^"]*"`)

// withFreshID puts an event_id of our own into the bytes and leaves the rest alone.
func withFreshID(body []byte, id string) []byte {
	field := []byte(`"event_id": "` + id + `"`)
	if eventID.Match(body) {
		return eventID.ReplaceAll(body, field)
	}
	i := bytes.IndexByte(body, '{')
	return append(append(bytes.Clone(body[:i+1]), append(field, ',')...), body[i+1:]...)
}

// integrated starts a server whose MCP side is open to the test's token.
func integrated(t testing.TB, o options) *process {
	t.Helper()
	o.args = append(o.args, "--integrated")
	o.env = append(o.env, "SLACK_BOT_TOKEN=xoxb-unused", "SLACK_API_URL=http://127.0.0.1:1/api/")
	return start(t, o)
}

// TestCorpus sends every payload twice: with an id of its own, when it is stored byte
// for byte, listed, and read back without its secrets; and as it is, when the first of
// an id is stored and the others are answered 200 and are duplicates.
func TestCorpus(t *testing.T) {
	data := t.TempDir()
	p := integrated(t, options{data: data})
	s := connect(t, p)
	want := map[string][]byte{} // event id -> body
	n := 0
	for name, body := range corpus(t, "events") {
		if strings.Contains(name, "url_verification") {
			var asked struct{ Challenge string }
			if err := json.Unmarshal(body, &asked); err != nil {
				t.Fatal(err)
			}
			status, answer := p.post(body)
			var got struct{ Challenge string }
			if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusOK || got.Challenge != asked.Challenge {
				t.Errorf("%s: %d %s, want the challenge", name, status, answer)
			}
			continue
		}
		n++
		id := fmt.Sprintf("EvCORPUS%04d", n)
		fresh := withFreshID(body, id)
		if status, answer := p.post(fresh); status != http.StatusOK || answer != `{"status":"ok"}` {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		want[id] = fresh
	}

	listed := map[string]bool{}
	for _, id := range listEventIDs(t, p) {
		listed[id] = true
	}
	for id, body := range want {
		if !listed[id] {
			t.Errorf("%s is not listed by slack_list_events", id)
			continue
		}
		shown := s.read("slack://events/" + id)
		for _, secret := range secretsIn(t, body) {
			if strings.Contains(shown, secret) {
				t.Errorf("%s: its resource shows the secret %q", id, secret)
			}
		}
	}

	// As it is: the corpus repeats few ids many times.
	first := map[string][]byte{}
	for name, body := range corpus(t, "events") {
		if strings.Contains(name, "url_verification") {
			continue
		}
		if status, answer := p.post(body); status != http.StatusOK || answer != `{"status":"ok"}` {
			t.Errorf("%s as it is: %d %s", name, status, answer)
		}
		id := event.DerivedID(event.SourceSlack, body)
		if m := eventID.Find(body); m != nil {
			id = strings.Split(string(m), `"`)[3]
		}
		if first[id] == nil {
			first[id] = body
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0\n%s", code, p.logs)
	}
	maps.Copy(want, first)
	compareStored(t, data, want)
}

// compareStored opens the store that the server has left and compares every byte.
func compareStored(t *testing.T, data string, want map[string][]byte) {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	stored := map[string]int{}
	var after event.Position
	for {
		page, err := q.History(t.Context(), event.Query{Order: event.OldestFirst, After: after, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			stored[e.ID]++
			if body, ok := want[e.ID]; ok && !bytes.Equal(e.Raw, body) {
				t.Errorf("%s: stored %q, sent %q", e.ID, e.Raw, body)
			}
		}
		if len(page.Events) == 0 && !page.More {
			break
		}
		after = page.Next
	}
	for id := range want {
		if stored[id] != 1 {
			t.Errorf("%s is stored %d times, want once", id, stored[id])
		}
	}
	if len(stored) != len(want) {
		t.Errorf("%d events are stored, want %d", len(stored), len(want))
	}
}

// secretsIn returns the values that no view of an event may show.
func secretsIn(t *testing.T, body []byte) []string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if s, ok := inner.(string); ok && len(s) > 8 {
					switch k {
					case "token", "bot_access_token", "response_url", "trigger_id":
						found = append(found, s)
					}
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(v)
	return found
}

// TestInteractions posts what people click as Slack does, in a form's payload field.
func TestInteractions(t *testing.T) {
	p := integrated(t, options{})
	s := connect(t, p)
	want := map[string]int{} // type -> how many
	for name, payload := range corpus(t, "interactions") {
		var body struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(payload, &body); err != nil {
			t.Fatal(err)
		}
		if status, answer := p.postPayload(payload); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		want[body.Type]++
	}
	got := map[string]int{}
	var page eventPage
	s.tool("slack_list_events", map[string]any{"limit": 200}, &page)
	for _, e := range page.Events {
		got[e.Type]++
	}
	for typ, n := range want {
		// Equal bodies are one event.
		if got[typ] == 0 || got[typ] > n {
			t.Errorf("%d events of type %s are listed, want up to %d", got[typ], typ, n)
		}
	}
}

// TestSeenAtOnce: an event that was answered 200 is in the very next list.
func TestSeenAtOnce(t *testing.T) {
	p := integrated(t, options{})
	s := connect(t, p)
	for i := range 100 {
		id := fmt.Sprintf("EvNOW%d", i)
		if status, _ := p.post(message(id, "C1", "now")); status != http.StatusOK {
			t.Fatalf("post: %d", status)
		}
		var page eventPage
		s.tool("slack_list_events", map[string]any{"limit": 1}, &page)
		if len(page.Events) != 1 || page.Events[0].EventID != id {
			t.Fatalf("the newest event is %v, want %s", page.Events, id)
		}
	}
}
