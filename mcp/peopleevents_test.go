package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/slackapi/sandbox"
)

// listen opens a subscriptions/listen stream, and returns its lines of data as they come.
func (h *peopleServer) listen(token, method string, params a) <-chan string {
	h.t.Helper()
	with := a{"_meta": a{
		"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": a{"name": "t", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": a{},
	}}
	maps.Copy(with, params)
	raw, err := json.Marshal(a{"jsonrpc": "2.0", "id": 7, "method": method, "params": with})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	h.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
		"Mcp-Method": method, "Authorization": "Bearer " + token,
	} {
		req.Header.Set(name, value)
	}
	if name, ok := params["name"].(string); ok {
		req.Header.Set("Mcp-Name", name)
	}
	res, err := http.DefaultClient.Do(req) //nolint:bodyclose // by who reads it
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		h.t.Fatalf("%s: %s", method, res.Status)
	}
	lines := make(chan string, 1000)
	go func() {
		defer res.Body.Close()
		defer close(lines)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				lines <- data
			}
		}
	}()
	h.next(lines, "") // what was granted
	return lines
}

// next returns the next line, which has to hold a text.
func (h *peopleServer) next(lines <-chan string, text string) string {
	h.t.Helper()
	select {
	case line := <-lines:
		if !strings.Contains(line, text) {
			h.t.Errorf("%s, want %s", line, text)
		}
		return line
	case <-time.After(30 * time.Second):
		h.t.Fatalf("nothing comes, want %s", text)
	}
	return ""
}

// spoke is a message in a conversation, with a word.
func (h *peopleServer) spoke(id, channel, word string) {
	h.events.Append(eventtest.Envelope(id, a{
		"type": "message", "channel": channel, "channel_type": "group", "user": sandbox.Grace, "ts": "1700000000.000100", "text": word,
	}, a{"team_id": sandbox.Team}))
}

// Two people follow the same resources, and one of them the conversation of the other: each is told of what they
// may see, and of nothing else.
func TestUpdatesAreOfWhatOneSees(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	const room, hall = "G0ROOM00001", "C0HALL00001"
	h.members.Put(room, sandbox.Alice)
	h.members.Put(hall, sandbox.Alice, sandbox.Bob)
	uris := []string{"slack://events", "webhook://slack/events", "slack://channels/" + room + "/events", "slack://events/EvSecret", "slack://channels/" + hall + "/events"}
	follow := a{"notifications": a{"resourceSubscriptions": uris}}
	hers, his := h.listen(alice, "subscriptions/listen", follow), h.listen(bob, "subscriptions/listen", follow)
	h.spoke("EvSecret", room, "canary")
	var told []string
	for range 4 {
		told = append(told, h.next(hers, "resources/updated"))
	}
	if joined := strings.Join(told, " "); !strings.Contains(joined, "EvSecret") || !strings.Contains(joined, room) {
		t.Errorf("who sees it is told %s", joined)
	}
	if h.members.Asked(sandbox.Alice) == 0 || h.members.Asked(sandbox.Bob) != 0 {
		t.Errorf("%d times it is asked of who is in the conversation, and %d times of who is not", h.members.Asked(sandbox.Alice), h.members.Asked(sandbox.Bob))
	}
	time.Sleep(100 * time.Millisecond)
	h.spoke("EvOpen", hall, "hello")
	var seen []string
	for range 3 {
		seen = append(seen, h.next(his, "resources/updated"))
	}
	if joined := strings.Join(seen, " "); strings.Contains(joined, room) || strings.Contains(joined, "EvSecret") || !strings.Contains(joined, hall) {
		t.Errorf("who does not see it is told %s", joined)
	}
	select {
	case line := <-his:
		t.Errorf("who does not see it is told %s", line)
	case <-time.After(200 * time.Millisecond):
	}
}

// Resources of events hold what their reader sees, and read as if there were nothing else.
func TestResourcesAreOfWhatOneSees(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	const room = "G0ROOM00001"
	h.members.Put(room, sandbox.Alice)
	read := func(token, uri string) string {
		_, body, _ := h.as(token, "resources/read", a{"uri": uri})
		return body
	}
	uris := []string{"slack://events", "webhook://slack/events", "slack://channels/" + room + "/events", "slack://threads/" + room + "/1700000000.000100/events", "slack://events/EvSecret", "webhook://slack/events/EvSecret"}
	var empty []string
	for _, uri := range uris {
		empty = append(empty, read(bob, uri))
	}
	h.spoke("EvSecret", room, "canary")
	for i, uri := range uris {
		if got := read(alice, uri); !strings.Contains(got, "canary") {
			t.Errorf("%s: who sees it reads %s", uri, got)
		}
		if got := read(bob, uri); got != empty[i] {
			t.Errorf("%s: who does not see it reads %s, before it %s", uri, got, empty[i])
		}
	}
	for token, want := range map[string]bool{alice: true, bob: true, aliceRead: false} {
		_, list, _ := h.as(token, "resources/list", nil)
		_, templates, _ := h.as(token, "resources/templates/list", nil)
		if strings.Contains(list, "slack://events") != want || strings.Contains(templates, "slack://events/{event_id}") != want {
			t.Errorf("%s is listed %s %s", token, list, templates)
		}
	}
	if got := read(aliceRead, "slack://events"); strings.Contains(got, "canary") {
		t.Errorf("who gave no events reads %s", got)
	}
	_, ids, _ := h.as(bob, "completion/complete", a{"ref": a{"type": "ref/resource", "uri": "slack://events/{event_id}"}, "argument": a{"name": "event_id", "value": "Ev"}})
	if strings.Contains(ids, "EvSecret") {
		t.Errorf("an id that is hidden is completed: %s", ids)
	}
}

// A cursor is of one sign-in: with another client of the same person it is "start again".
func TestCursorsAreOfOneSignIn(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	const room, phone = "G0ROOM00001", sandbox.Alice + ".phone.read.events"
	h.members.Put(room, sandbox.Alice)
	for _, id := range []string{"Ev1", "Ev2", "Ev3"} {
		h.spoke(id, room, "words of "+id)
	}
	cursor := func(text string) string {
		var out struct {
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(text), &out); err != nil || len(out.Next) < 60 {
			t.Fatalf("%s: %v", text, err)
		}
		return out.Next
	}
	first := h.call(alice, "slack_list_events", a{"channel": room, "limit": 1})
	next := cursor(first.text)
	if got := h.call(alice, "slack_list_events", a{"channel": room, "limit": 1, "cursor": next}); got.failed || !strings.Contains(got.text, "words of Ev2") {
		t.Errorf("it goes on with %+v", got)
	}
	for name, got := range map[string]called{
		"another client":   h.call(phone, "slack_list_events", a{"channel": room, "limit": 1, "cursor": next}),
		"another person":   h.call(bob, "slack_list_events", a{"channel": room, "limit": 1, "cursor": next}),
		"another question": h.call(alice, "slack_list_events", a{"limit": 1, "cursor": next}),
		"another tool":     h.call(alice, "slack_wait_for_event", a{"channel": room, "timeout_seconds": 1, "cursor": next}),
		"a service's own":  h.call(alice, "slack_list_events", a{"channel": room, "cursor": "e0-1"}),
	} {
		if !got.failed || !strings.Contains(got.text, "start again") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	waited := h.call(alice, "slack_wait_for_event", a{"channel": room, "timeout_seconds": 1})
	from := cursor(waited.text)
	h.spoke("Ev4", room, "words of Ev4")
	if got := h.call(alice, "slack_wait_for_event", a{"channel": room, "timeout_seconds": 1, "cursor": from}); !strings.Contains(got.text, "words of Ev4") {
		t.Errorf("a wait goes on with %+v", got)
	}
	h.members.Remove(room, sandbox.Alice)
	if got := h.call(alice, "slack_wait_for_event", a{"channel": room, "timeout_seconds": 1, "cursor": from}); strings.Contains(got.text, "words") {
		t.Errorf("who left reads %+v", got)
	}
}

// MCP Events for people: polls and streams have what they see, with cursors of their own, and what is taken
// away meanwhile is not sent.
func TestMCPEventsOfWhatOneSees(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	const room, hall = "G0ROOM00001", "C0HALL00001"
	h.members.Put(room, sandbox.Alice)
	h.members.Put(hall, sandbox.Alice, sandbox.Bob)
	question := func(more a) a {
		q := a{"name": "message.created", "arguments": a{}}
		maps.Copy(q, more)
		return q
	}
	poll := func(token, cursor string) (p polled) {
		t.Helper()
		more := a{}
		if cursor != "" {
			more["cursor"] = cursor
		}
		_, body, _ := h.as(token, "events/poll", question(more))
		var x struct{ Result polled }
		if err := json.Unmarshal([]byte(body), &x); err != nil || x.Result.Cursor == "" {
			t.Fatalf("%s: %v", body, err)
		}
		return x.Result
	}
	hers, his := poll(alice, "").Cursor, poll(bob, "").Cursor
	streams := map[string]<-chan string{alice: h.listen(alice, "events/stream", question(nil)), bob: h.listen(bob, "events/stream", question(nil))}
	h.spoke("EvSecret", room, "canary")
	h.spoke("EvOpen", hall, "hello")
	if p := poll(alice, hers); len(p.Events) != 2 || p.HasMore || p.Truncated || len(p.Cursor) < 60 {
		t.Errorf("who sees both polls %+v", p)
	}
	if p := poll(bob, his); len(p.Events) != 1 || p.Events[0].EventID != "EvOpen" || p.HasMore || p.Truncated {
		t.Errorf("who sees one polls %+v", p)
	}
	if p := poll(bob, hers); len(p.Events) != 0 || !p.Truncated {
		t.Errorf("with another's cursor one polls %+v", p)
	}
	h.next(streams[alice], "EvSecret")
	h.next(streams[alice], "EvOpen")
	if line := h.next(streams[bob], "EvOpen"); strings.Contains(line, "e0-") {
		t.Errorf("a position is told: %s", line)
	}
	h.members.Remove(hall, sandbox.Bob)
	h.spoke("EvLate", hall, "hello again")
	h.next(streams[alice], "EvLate")
	h.members.Put(hall, sandbox.Bob)
	h.spoke("EvBack", hall, "hello once more")
	h.next(streams[bob], "EvBack")
	if p := poll(bob, his); len(p.Events) != 3 { // who is back may read what was said meanwhile
		t.Errorf("who is back polls %+v", p)
	}
	for token, want := range map[string]bool{alice: true, aliceRead: false, "service": true} {
		_, body, _ := h.as(token, "server/discover", nil)
		if strings.Contains(body, "io.modelcontextprotocol/events") != want {
			t.Errorf("%s is declared %s", token, body)
		}
		if _, body, _ := h.as(token, "events/poll", question(nil)); strings.Contains(body, `"error"`) == want {
			t.Errorf("%s polls %s", token, body)
		}
	}
}
