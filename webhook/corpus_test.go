package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/worker"
)

// seedNames are the event names that the mission's text lists, with their fixtures.
var seedNames = []string{
	"message", "message.channels", "message.groups", "user_change", "team_join", "channel_created", "channel_deleted",
	"channel_rename", "reaction_added", "reaction_removed", "app_mention", "app_home_opened",
}

func TestSeedNames(t *testing.T) {
	t.Parallel()
	for _, name := range seedNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			body := fixture(t, name)
			r.slack(body).want(t, 200, `{"status":"ok"}`)

			listed := r.find(event.Filter{Patterns: patterns(t, name)})
			if len(listed) != 1 || !bytes.Equal(listed[0].Raw, body) {
				t.Fatalf("the filter %q lists %d events, want the fixture", name, len(listed))
			}
			typ := handleOne(t, r.q, name)
			if want, _, _ := strings.Cut(name, "."); typ != want {
				t.Errorf("the handler of %q got an inner event of type %q, want %q", name, typ, want)
			}
		})
	}
}

func TestMessagePatternsSelectByChannelType(t *testing.T) {
	r := newRig(t)
	for _, name := range seedNames {
		r.slack(fixture(t, name)).want(t, 200, `{"status":"ok"}`)
	}
	for pattern, want := range map[string]int{"message": 3, "message.channels": 1, "message.groups": 1, "message.im": 1, "message.mpim": 0, "*": 12} {
		if got := len(r.find(event.Filter{Patterns: patterns(t, pattern)})); got != want {
			t.Errorf("%q lists %d events, want %d", pattern, got, want)
		}
	}
}

// handleOne works the queue with one handler and returns the type that it read from
// the inner event.
func handleOne(t *testing.T, q queue.Queue, pattern string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got string
	mux := worker.New(worker.Options{})
	err := mux.On(pattern, func(_ context.Context, e *event.Event) error {
		defer cancel()
		inner, err := event.Inner[struct{ Type string }](e)
		got = inner.Type
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := mux.Run(ctx, q); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestCorpusWithFreshIDs sends real events, each as if it were new.
func TestCorpusWithFreshIDs(t *testing.T) {
	r := newRig(t)
	var sent [][]byte
	for name, body := range corpus(t, "events") {
		body = fresh(t, body)
		want := `{"status":"ok"}`
		if strings.HasPrefix(name, "url_verification") {
			want = `{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`
		} else {
			sent = append(sent, body)
		}
		if got := r.slack(body); got.status != 200 || got.body != want {
			t.Errorf("%s: answered %d %s, want 200 %s", name, got.status, got.body, want)
		}
	}
	var stored [][]byte
	for _, e := range r.stored() {
		stored = append(stored, e.Raw)
		checkSanitized(t, &e)
	}
	if diff := cmp.Diff(sent, stored); diff != "" {
		t.Errorf("stored differs from sent (-sent +stored):\n%s", diff)
	}
}

func checkSanitized(t *testing.T, e *event.Event) {
	t.Helper()
	seen, err := event.Sanitize(e.Raw, e.Encoding)
	if err != nil {
		t.Errorf("Sanitize: %v", err)
	}
	for _, name := range []string{`"token"`, `"bot_access_token"`, `"response_url"`, `"trigger_id"`} {
		if bytes.Contains(seen, []byte(name)) {
			t.Errorf("%s shows %s", e.Kind, name)
		}
	}
}

// TestCorpusAsItIs sends real events of which many have the same id.
func TestCorpusAsItIs(t *testing.T) {
	r := newRig(t)
	ids, n := map[string]bool{}, 0
	for name, body := range corpus(t, "events") {
		if strings.HasPrefix(name, "url_verification") {
			continue
		}
		r.slack(body).want(t, 200, `{"status":"ok"}`)
		n++
		id := idOf(t, body)
		want := webhook.Accepted
		if ids[id] {
			want = webhook.Duplicate
		}
		ids[id] = true
		if ob := r.observed(n); ob.Outcome != want {
			t.Errorf("%s with id %s was %s, want %s", name, id, ob.Outcome, want)
		}
	}
	if got := len(r.stored()); got != len(ids) || len(ids) == n {
		t.Errorf("stored %d events of %d with %d ids, want one each and some duplicates", got, n, len(ids))
	}
}

func TestCorpusInteractions(t *testing.T) {
	r := newRig(t)
	bodies := map[string]bool{}
	for name, payload := range corpus(t, "interactions") {
		body := []byte("payload=" + url.QueryEscape(string(payload)))
		answer := ""
		if strings.HasPrefix(name, "block_suggestion") {
			answer = `{"options":[]}` // Slack waits for a menu's options; there are none
		}
		r.slack(body, asForm).want(t, 200, answer)
		if bodies[string(body)] {
			continue // two files with the same bytes are one delivery
		}
		bodies[string(body)] = true
		events := r.stored()
		last := events[len(events)-1]
		want, _, _ := strings.Cut(name, "-")
		if last.Kind.String() != want || !bytes.Equal(last.Raw, body) || last.Encoding != event.Form {
			t.Errorf("%s: stored kind %s, want %s and the bytes as they came", name, last.Kind, want)
		}
		checkSanitized(t, &last)
		var handles struct {
			ResponseURL string `json:"response_url"`
			TriggerID   string `json:"trigger_id"`
		}
		if err := json.Unmarshal(payload, &handles); err != nil {
			t.Fatal(err)
		}
		if urls := event.ResponseURLs(&last); handles.ResponseURL != "" && !slices.Contains(urls, handles.ResponseURL) || event.TriggerID(&last) != handles.TriggerID {
			t.Errorf("%s: a handler gets the response URLs %v and the trigger id %q", name, urls, event.TriggerID(&last))
		}
		if _, err := event.Inner[event.Interaction](&last); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(r.stored()); got != len(bodies) {
		t.Errorf("stored %d events, want %d", got, len(bodies))
	}
}

var lastID atomic.Int64

// fresh gives an event an id of its own, or a member more where it has none, and
// leaves the other bytes as they are.
func fresh(t *testing.T, body []byte) []byte {
	t.Helper()
	n := lastID.Add(1)
	if id := idOf(t, body); bytes.Contains(body, []byte(`"event_id"`)) {
		return bytes.Replace(body, []byte(`"`+id+`"`), fmt.Appendf(nil, `"EvFresh%d"`, n), 1)
	}
	return bytes.Replace(body, []byte("{"), fmt.Appendf(nil, `{"fresh":%d,`, n), 1)
}

// idOf returns the id by which an event is known.
func idOf(t *testing.T, body []byte) string {
	t.Helper()
	var e struct {
		ID string `json:"event_id"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	if e.ID == "" {
		return event.DerivedID("slack", body)
	}
	return e.ID
}
