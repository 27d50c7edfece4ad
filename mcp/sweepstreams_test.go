package mcp_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/mcp/notify"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
)

// A mailbox is what callbacks are posted to.
type mailbox struct {
	host, url string

	mu     sync.Mutex
	got    map[string]chan string // by path
	answer func(path, id string) int
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{got: map[string]chan string{}}
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	m.host, m.url = u.Host, srv.URL
	return m
}

// options post to the mailbox alone.
func (m *mailbox) options(t *testing.T, people *signedIn) notify.Options {
	t.Helper()
	values, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = values.Close() })
	client, err := egress.New(egress.Options{HTTPSOnly: true, Hosts: []string{"127.0.0.1"}, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return notify.Options{
		State: values.State(), Client: client, Exclusive: true, PeopleHosts: []string{m.host}, Caller: people.caller, ChallengesPerMinute: 10_000,
		Backlog: 10 * 365 * 24 * time.Hour, Retry: notify.Retry{MaxAttempts: 3, Base: time.Millisecond, Cap: time.Millisecond},
	}
}

// box is what comes to a path.
func (m *mailbox) box(path string) chan string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.got[path] == nil {
		m.got[path] = make(chan string, 2000)
	}
	return m.got[path]
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var in struct{ Type, Challenge string }
	if json.Unmarshal(raw, &in) == nil && in.Type == "verification" {
		_ = json.NewEncoder(w).Encode(a{"challenge": in.Challenge})
		return
	}
	id := r.Header.Get("Webhook-Id")
	m.box(r.URL.Path) <- id + " " + string(raw)
	m.mu.Lock()
	answer := m.answer
	m.mu.Unlock()
	status := http.StatusNoContent
	if answer != nil {
		status = answer(r.URL.Path, id)
	}
	w.WriteHeader(status)
}

// answers sets the status of what is posted from now on.
func (m *mailbox) answers(answer func(path, id string) int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

// An ear is one way in which somebody is told of what happens.
type ear struct {
	name  string
	lines <-chan string
	// last is in the last line that is waited for; "" waits for none.
	last string
	// raw leaves ids and times as they are.
	raw bool
	// set compares what was told as a set, because updates of one resource that come close together are joined.
	set bool
}

func (e *ear) plainly(line string) string {
	if e.raw {
		return line
	}
	return plainly(line)
}

// take returns what an ear was told until the last that is for it.
func (e *ear) take(t *testing.T) (told []string) {
	t.Helper()
	patience := time.After(2 * time.Minute)
	for e.last != "" {
		select {
		case line, ok := <-e.lines:
			if !ok {
				t.Fatalf("%s: it ended before %s came", e.name, e.last)
			}
			if strings.Contains(line, "events/heartbeat") {
				continue
			}
			told = append(told, e.plainly(line))
			if strings.Contains(line, e.last) {
				return told
			}
		case <-patience:
			t.Fatalf("%s: %s does not come; the last of %d is %.300s", e.name, e.last, len(told), strings.Join(told[max(0, len(told)-1):], ""))
		}
	}
	for {
		select {
		case line, ok := <-e.lines:
			if !ok {
				return told
			}
			if !strings.Contains(line, "events/heartbeat") {
				told = append(told, e.plainly(line))
			}
		default:
			return told
		}
	}
}

// silentLast are the names of ears, at the end of those that wait for no line.
func silentLast(ears map[string]*ear) []string {
	silent := func(name string) int {
		if e := ears[name]; e.last == "" && !e.set {
			return 1
		}
		return 0
	}
	return slices.SortedFunc(maps.Keys(ears), func(x, y string) int {
		return cmp.Or(silent(x)-silent(y), strings.Compare(x, y))
	})
}

// compare reports where two ears were told of something else.
func compare(t *testing.T, who, name string, here, there []string, set bool) {
	t.Helper()
	if set {
		slices.Sort(here)
		slices.Sort(there)
		here, there = slices.Compact(here), slices.Compact(there)
	}
	if !slices.Equal(here, there) {
		t.Errorf("%s by %s: %d are told, %d without what is hidden:\n%s", who, name, len(here), len(there), apart(strings.Join(here, "\n"), strings.Join(there, "\n")))
	}
}

// pollAll returns all events of a type that somebody polls, and the id of the last.
func (w *world) pollAll(token, name string) (n int, last string) {
	w.t.Helper()
	for cursor, more := "start", true; more; {
		_, body, _ := w.as(token, "events/poll", a{"name": name, "cursor": cursor, "maxEvents": 200, "arguments": a{}})
		var x struct{ Result polled }
		if err := json.Unmarshal([]byte(body), &x); err != nil || x.Result.Cursor == "" {
			w.t.Fatalf("%s: %s %v", name, body, err)
		}
		for _, e := range x.Result.Events {
			n, last = n+1, e.EventID
		}
		cursor, more = x.Result.Cursor, x.Result.HasMore
	}
	return n, last
}

// sse reads the lines of data of a stream of sessions.
func (w *world) sse(token, path, session string) <-chan string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {"text/event-stream"}, "Authorization": {"Bearer " + token}}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := http.DefaultClient.Do(req) //nolint:bodyclose // by who reads it
	if err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %s", path, res.Status)
	}
	lines := make(chan string, 5000)
	go func() {
		defer res.Body.Close()
		s := bufio.NewScanner(res.Body)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				lines <- data
			}
		}
	}()
	return lines
}

// follow opens every way of being told: of resources in the three eras, and of each type of event by a stream and by a
// callback, from the first event on.
func (w *world) follow(token string, uris, types []string) map[string]*ear {
	w.t.Helper()
	ears := map[string]*ear{"subscriptions/listen": {lines: w.listen(token, "subscriptions/listen", a{"notifications": a{"resourceSubscriptions": uris}}), set: true}}

	_, session := w.legacy(token, "", initialize, a{"protocolVersion": "2025-06-18", "capabilities": a{}, "clientInfo": a{"name": "t", "version": "1"}})
	for _, uri := range uris {
		if body, _ := w.legacy(token, session, "resources/subscribe", a{"uri": uri}); strings.Contains(body, `"error"`) {
			w.t.Errorf("%s is not followed: %s", uri, body)
		}
	}
	ears["a session"] = &ear{lines: w.sse(token, "", session), set: true}

	old := w.sse(token, "/sse", "")
	at := &world{peopleServer: &peopleServer{fixture: &fixture{t: w.t, url: w.next(old, "")}}}
	if strings.HasPrefix(at.url, "/") {
		at.url = strings.TrimSuffix(w.url, "/mcp") + at.url
	}
	at.legacy(token, "", initialize, a{"protocolVersion": "2024-11-05", "capabilities": a{}, "clientInfo": a{"name": "t", "version": "1"}})
	w.next(old, "serverInfo")
	for _, uri := range uris {
		at.legacy(token, "", "resources/subscribe", a{"uri": uri})
		w.next(old, `"result"`)
	}
	ears["an SSE session"] = &ear{lines: old, set: true}

	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-nine bytes"))
	for _, name := range types {
		asked := a{"name": name, "arguments": a{}, "cursor": "start"}
		ears["a stream of "+name] = &ear{lines: w.listen(token, "events/stream", asked)}
		path := "/" + token + "/" + name
		with := maps.Clone(asked)
		with["delivery"] = a{"mode": "webhook", "url": w.mail.url + path, "secret": secret}
		if _, body, _ := w.as(token, "events/subscribe", with); strings.Contains(body, `"error"`) {
			w.t.Errorf("%s is not subscribed to: %s", name, body)
		}
		ears["a callback of "+name] = &ear{lines: w.mail.box(path)}
	}
	for name, e := range ears {
		e.name = token + " by " + name
	}
	return ears
}

// blinding are the types of events that take visibility away: what follows them waits for Slack's answers. They are
// among the events that happened before; TestComingAndGoing has what they do.
var blinding = strings.Fields(`app_rate_limited app_uninstalled team_access_granted team_access_revoked grid_migration_started grid_migration_finished
	member_left_channel member_joined_channel channel_left group_left channel_deleted group_deleted channel_shared channel_unshared
	channel_id_changed tokens_revoked user_change team_join user_profile_changed file_shared file_unshared file_change file_deleted file_public
	file_created`)

// harmless are the events that let everything be known that was.
func harmless(all []sighted) []sighted {
	return slices.DeleteFunc(all, func(e sighted) bool {
		return slices.Contains(blinding, e.Kind.Type) ||
			slices.ContainsFunc([]string{"join", "leave", "convert"}, func(s string) bool { return strings.Contains(e.Kind.Subtype, s) })
	})
}

func seenBy(viewer string, all []sighted) []sighted {
	return slices.DeleteFunc(slices.Clone(all), func(e sighted) bool { return !slices.Contains(e.seen, viewer) })
}

// What somebody is told without asking, by streams, updates and callbacks, is byte for byte what they would be told
// if what is hidden from them had never happened: of what happened before they follow, and of what happens meanwhile.
func TestSweepOfStreams(t *testing.T) {
	t.Parallel()
	for viewer, tokens := range sweepers {
		t.Run(viewer, func(t *testing.T) {
			t.Parallel()
			whole, bare := newWorld(t, true), newWorld(t, false)
			p := whole.room
			members := map[string][]string{
				p.room: {sandbox.Alice}, whole.hall: {sandbox.Alice, sandbox.Bob, sandbox.Kira}, sandbox.Support: {sandbox.Alice, sandbox.Bob},
			}
			places := []string{p.room, sandbox.Support, whole.hall}
			others := []string{sandbox.Grace, sandbox.Bob, sandbox.Kira}
			before := happened(t, members, "Ev", places, []string{viewer})
			later := harmless(happened(t, members, "El", places, others))
			// The last of each type is one that the viewer sees, so that what is hidden would have come before.
			later = append(later, harmless(happened(t, members, "Ez", []string{whole.hall}, []string{viewer}))...)
			p.event = before[0].ID
			end := later[slices.IndexFunc(later, func(e sighted) bool { return strings.HasPrefix(e.ID, "Ez") && e.Kind.Type == "message" })].ID
			uris := append(whole.addresses(&p), "slack://events/"+end)
			types := listed(t, whole, "events/list", "name")
			ears := map[*world]map[string]map[string]*ear{}
			for w, events := range map[*world][2][]sighted{whole: {before, later}, bare: {seenBy(viewer, before), seenBy(viewer, later)}} {
				w.receive(events[0])
				ears[w] = map[string]map[string]*ear{}
				for _, token := range tokens {
					w.warm(token)
					ears[w][token] = w.follow(token, uris, types)
				}
				w.receive(events[1])
			}
			told := 0
			for _, token := range tokens {
				for _, name := range types {
					n, last := bare.pollAll(token, name)
					if also, _ := whole.pollAll(token, name); also != n {
						t.Errorf("%s polls %d of %s, and %d without what is hidden", token, also, name, n)
					}
					told += n
					for _, w := range []*world{whole, bare} {
						ears[w][token]["a stream of "+name].last = last
						ears[w][token]["a callback of "+name].last = last
					}
				}
				// Those for whom nothing is waited come last, so that what they must not be told has had its time.
				for _, name := range silentLast(ears[whole][token]) {
					here, there := ears[whole][token][name], ears[bare][token][name]
					if here.set {
						here.last, there.last = "slack://events/"+end, "slack://events/"+end
					}
					heard := here.take(t)
					compare(t, token, name, heard, there.take(t), here.set)
					if slices.ContainsFunc(heard, func(line string) bool { return strings.Contains(line, p.secret()) }) {
						t.Errorf("%s by %s is told of the room", token, name)
					}
				}
			}
			t.Logf("%s: %d ways of being told of %d types of events and %d resources, %d events, no difference but what is reported", viewer, len(ears[whole])*len(ears[whole][tokens[0]]), len(types), len(uris), told)
		})
	}
}
