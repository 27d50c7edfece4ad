package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
)

// A peopledFleet is three servers of one Redis, before one workspace in which Bob has signed in with two clients.
type peopledFleet struct {
	t        *testing.T
	public   string
	replicas []*process
	clients  []signedInPerson
	posted   int
}

func startPeopledFleet(t *testing.T) *peopledFleet {
	t.Helper()
	port := freePort(t)
	f := &peopledFleet{t: t, public: "http://127.0.0.1:" + port}
	slack := startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{f.public + signin.CallbackPath}, SigningSecret: signingSecret, Empty: true})
	env := append(slack.peopleEnv(t, f.public), backendEnv(t, "redis")...)
	env = append(env, "SIGN_IN_SCOPES=read,events,write", "TOOLSETS=all")
	f.replicas = []*process{start(t, options{port: port, env: slices.Clone(env)})}
	for range 2 {
		f.replicas = append(f.replicas, start(t, options{env: slices.Clone(env)}))
	}
	for range 2 {
		f.clients = append(f.clients, enterPerson(t, f.public, sandbox.Bob))
	}
	return f
}

// happen posts a body to one replica after the other.
func (f *peopledFleet) happen(media string, body []byte) {
	f.t.Helper()
	p := f.replicas[f.posted%len(f.replicas)]
	f.posted++
	if status, answer := p.do(signed(f.t, p.url, media, body)); status != http.StatusOK {
		f.t.Fatalf("%d %s", status, answer)
	}
}

// request is a request of 2026-07-28 of one client at one replica.
func (f *peopledFleet) request(ctx context.Context, who signedInPerson, at *process, method string, params map[string]any) *http.Response {
	f.t.Helper()
	with := map[string]any{"_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": map[string]any{"name": "t", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}}
	maps.Copy(with, params)
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 7, "method": method, "params": with})
	if err != nil {
		f.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.url+"/mcp", bytes.NewReader(raw))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Host = strings.TrimPrefix(f.public, "http://")
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
		"Mcp-Method": method, "Authorization": "Bearer " + who.access,
	} {
		req.Header.Set(name, value)
	}
	for _, key := range []string{"name", "uri"} {
		if name, ok := params[key].(string); ok {
			req.Header.Set("Mcp-Name", name)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

func (f *peopledFleet) ask(who signedInPerson, at *process, method string, params map[string]any) string {
	f.t.Helper()
	res := f.request(f.t.Context(), who, at, method, params)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(body)
}

// listen reads what a stream tells until a line has a text.
func (f *peopledFleet) listen(who signedInPerson, at *process, method string, params map[string]any) (until func(text string) []string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 3*time.Minute)
	f.t.Cleanup(cancel)
	res := f.request(ctx, who, at, method, params) //nolint:bodyclose // by who reads it
	s := bufio.NewScanner(res.Body)
	s.Buffer(nil, 1<<20)
	if !s.Scan() {
		f.t.Fatalf("%s opens no stream: %v", method, s.Err())
	}
	return func(text string) (told []string) {
		f.t.Helper()
		defer res.Body.Close()
		for s.Scan() {
			line, ok := strings.CutPrefix(s.Text(), "data: ")
			if !ok || strings.Contains(line, "events/heartbeat") {
				continue
			}
			told = append(told, alike(line))
			if strings.Contains(line, text) {
				return told
			}
		}
		f.t.Errorf("%s %v: %s does not come after %d", method, params["name"], text, len(told))
		return told
	}
}

// known waits until a client is told at a replica that nothing is unknown any more.
func (f *peopledFleet) known(who signedInPerson, at *process, last string) {
	f.t.Helper()
	for began := time.Now(); ; {
		got := f.ask(who, at, "tools/call", map[string]any{"name": "slack_list_events", "arguments": map[string]any{"limit": 200}})
		if strings.Contains(got, last) && !strings.Contains(got, "not known") {
			return
		}
		if time.Since(began) > 2*time.Minute {
			f.t.Fatalf("%s is not shown: %.2000s", last, got)
		}
		time.Sleep(50 * time.Millisecond) // the servers have other things to do than to say that it is not there yet
	}
}

// passing is what differs between two fleets without telling anything: when something came, sealed cursors, addresses.
var passing = regexp.MustCompile(`\b20\d\d-\d\d-\d\dT[0-9:.]+Z|"(cursor|next_cursor|ask_id|created|time)\\?":\\?"[^"\\]+|"year\\?":[0-9]+|127\.0\.0\.1:\d+|\b1[0-9]{9}\.[0-9]{6}\b`)

func alike(s string) string { return passing.ReplaceAllString(s, "_") }

// plainTypes are documented events that change nobody's sight; those have tests of their own.
var plainTypes = strings.Fields(`message app_mention reaction_added reaction_removed pin_added pin_removed channel_rename channel_archive channel_unarchive
	link_shared message_metadata_posted message_metadata_updated message_metadata_deleted emoji_changed subteam_created subteam_updated
	block_actions view_submission shortcut message_action`)

// documentedIn returns the bodies of documented events in a conversation, by somebody.
func documentedIn(t *testing.T, round, channel, actor string) (bodies map[string][][]byte) {
	t.Helper()
	raw, err := os.ReadFile("../../mcp/view/testdata/events.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Event, Payload json.RawMessage }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	bodies = map[string][][]byte{}
	for i, d := range all {
		body := d.Event
		if body == nil {
			body = d.Payload
		}
		var is struct{ Type, Subtype string }
		if err := json.Unmarshal(body, &is); err != nil {
			t.Fatal(err)
		}
		moves := strings.Contains(is.Subtype, "join") || strings.Contains(is.Subtype, "leave") || strings.Contains(is.Subtype, "convert")
		if moves || !slices.Contains(plainTypes, is.Type) || d.Event != nil && !strings.Contains(string(body), "0GENERAL1") {
			continue
		}
		id := fmt.Sprintf("Ev%s%s%04d", round, channel[3:6], i)
		text := strings.NewReplacer("C0GENERAL1", channel, "G0GENERAL1", channel, "U0INSIDE01", actor, "U0INSIDE02", sandbox.Henrik, "U0INSIDE03", sandbox.Ines,
			"hello", "said "+id, "1763990000.000100", fmt.Sprintf("17639%05d.000100", i)).Replace(string(body))
		if d.Event == nil {
			bodies["application/x-www-form-urlencoded"] = append(bodies["application/x-www-form-urlencoded"], []byte(url.Values{"payload": {text}}.Encode()))
			continue
		}
		bodies["application/json"] = append(bodies["application/json"], fmt.Appendf(nil,
			`{"type":"event_callback","team_id":%q,"api_app_id":"A0SANDBOX01","event_id":%q,"event_time":1763990000,"authorizations":[{"team_id":%q,"user_id":%q,"is_bot":true}],"event":%s}`,
			sandbox.Team, id, sandbox.Team, sandbox.BotUser, text))
	}
	return bodies
}

// happens posts a round of documented events: in the conversation that is hidden from Bob where that is wanted, by others,
// and in one that he sees.
func (f *peopledFleet) happens(round string, hidden bool) (last string) {
	f.t.Helper()
	for _, place := range [][2]string{{sandbox.Leads, sandbox.Alice}, {sandbox.General, sandbox.Bob}} {
		if place[0] == sandbox.Leads && !hidden {
			continue
		}
		bodies := documentedIn(f.t, round, place[0], place[1])
		for _, media := range slices.Sorted(maps.Keys(bodies)) {
			for _, body := range bodies[media] {
				f.happen(media, body)
			}
		}
	}
	last = "EvLAST" + round
	f.happen("application/json", fmt.Appendf(nil, `{"type":"event_callback","team_id":%q,"api_app_id":"A0SANDBOX01","event_id":%q,"event_time":1763990000,"event":{"type":"message","channel":%q,"channel_type":"channel","user":%q,"ts":"1763999999.000100","text":"the last"}}`,
		sandbox.Team, last, sandbox.General, sandbox.Alice))
	return last
}

// named are the values of a member in what a list has.
func named(body, member string) (all []string) {
	for _, m := range regexp.MustCompile(`"`+member+`":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

// fills are what stands for the arguments of tools, prompts and addresses, of what is hidden and of what is not.
func fills(hidden bool) map[string]any {
	channel, ts := sandbox.General, "1763900000.000100"
	event := "EvA" + channel[3:6] + "0000"
	if hidden {
		channel = sandbox.Leads
		event = "EvA" + channel[3:6] + "0000"
	}
	return map[string]any{
		"channel": channel, "channels": channel, "event_id": event, "timestamp": ts, "thread_ts": ts, "query": "said", "user": sandbox.Grace,
		"users": []string{sandbox.Grace}, "user_group": "@nobody", "file_id": "F0NONE00001", "canvas_id": "F0NONE00002", "message_id": "m1", "source": "slack",
		"topic": "said", "since": "2h", "timeout_seconds": 0, "word": "said",
	}
}

// A fleetQuestion is one request of the sweep.
type fleetQuestion struct {
	method string
	params map[string]any
}

// questions are what a fleet lists: its reading tools, resources, prompts, completions and types of events.
func (f *peopledFleet) questions() (all []fleetQuestion) {
	f.t.Helper()
	type m = map[string]any
	me, at := f.clients[0], f.replicas[0]
	add := func(method string, params m) { all = append(all, fleetQuestion{method, params}) }
	var tools struct {
		Result struct {
			Tools []struct {
				Name        string
				Annotations struct{ ReadOnlyHint bool }
				InputSchema struct {
					Required   []string
					Properties m
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(f.ask(me, at, "tools/list", nil)), &tools); err != nil || len(tools.Result.Tools) < 40 {
		f.t.Fatalf("%d tools, %v", len(tools.Result.Tools), err)
	}
	for _, tool := range tools.Result.Tools {
		if !tool.Annotations.ReadOnlyHint {
			continue // TestSweep of package mcp calls these
		}
		for _, hidden := range []bool{true, false} {
			args := m{}
			for name, value := range fills(hidden) {
				_, takes := tool.InputSchema.Properties[name]
				if takes && (slices.Contains(tool.InputSchema.Required, name) || name == "channel" || name == "timeout_seconds") {
					args[name] = value
				}
			}
			for _, name := range tool.InputSchema.Required {
				if args[name] == nil {
					f.t.Errorf("%s is not swept: say in fills what %s is", tool.Name, name)
				}
			}
			add("tools/call", m{"name": tool.Name, "arguments": args})
		}
	}
	for _, with := range []m{{"limit": 200}, {"limit": 3}, {"limit": 200, "response_format": "detailed"}, {"order": "oldest_first", "limit": 7}} {
		add("tools/call", m{"name": "slack_list_events", "arguments": with})
	}
	for _, method := range []string{"tools/list", "resources/list", "resources/templates/list", "prompts/list", "events/list", "server/discover"} {
		add(method, nil)
	}
	for _, uri := range named(f.ask(me, at, "resources/list", nil), "uri") {
		add("resources/read", m{"uri": uri})
	}
	for _, uri := range named(f.ask(me, at, "resources/templates/list", nil), "uriTemplate") {
		for _, hidden := range []bool{true, false} {
			filled := uri
			for name, value := range fills(hidden) {
				filled = strings.ReplaceAll(filled, "{"+name+"}", fmt.Sprint(value))
			}
			if strings.Contains(filled, "{") {
				f.t.Errorf("%s is not swept: say in fills what it needs", uri)
			}
			add("resources/read", m{"uri": filled})
		}
		for _, v := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(uri, -1) {
			add("completion/complete", m{"ref": m{"type": "ref/resource", "uri": uri}, "argument": m{"name": v[1], "value": ""}})
		}
	}
	for _, name := range named(f.ask(me, at, "prompts/list", nil), "name") {
		if strings.HasPrefix(name, "slack_") {
			add("prompts/get", m{"name": name, "arguments": m{"channel": sandbox.Leads, "channels": sandbox.Leads, "event_id": "EvA" + sandbox.Leads[3:6] + "0000", "query": "said", "topic": "said"}})
		}
	}
	for _, name := range named(f.ask(me, at, "events/list", nil), "name") {
		for _, most := range []int{200, 3} {
			add("events/poll", m{"name": name, "arguments": m{}, "cursor": "start", "maxEvents": most})
		}
	}
	return all
}

// TestPeopleOnReplicas: two clients of one person at three servers of one Redis, which got the events in turn. Each
// answer and each stream is byte for byte that of three other servers to which what is hidden from the person never
// came, whichever of them is asked.
func TestPeopleOnReplicas(t *testing.T) {
	t.Parallel()
	whole, bare := startPeopledFleet(t), startPeopledFleet(t)
	last := ""
	for _, f := range []*peopledFleet{whole, bare} {
		last = f.happens("A", f == whole)
		for i, at := range f.replicas {
			f.known(f.clients[i%2], at, last)
		}
	}
	hidden := "said EvA" + sandbox.Leads[3:6]
	if all := whole.ask(signedInPerson{access: authToken}, whole.replicas[1], "tools/call", map[string]any{"name": "slack_list_events", "arguments": map[string]any{"channel": sandbox.Leads, "limit": 200}}); !strings.Contains(all, hidden) {
		t.Fatalf("who sees all is not shown what is hidden, so that no leak would be seen: %.500s", all)
	}
	questions := whole.questions()
	differ := 0
	for i, at := range whole.replicas {
		for _, q := range questions {
			here, there := alike(whole.ask(whole.clients[i%2], at, q.method, q.params)), alike(bare.ask(bare.clients[i%2], bare.replicas[i], q.method, q.params))
			if here != there {
				if differ++; differ <= 5 {
					t.Errorf("replica %d: %s %v differs:\n%.1500s\nwithout what is hidden:\n%.1500s", i, q.method, q.params, here, there)
				}
			}
			if strings.Contains(here, hidden) {
				t.Errorf("replica %d: %s %v shows what is hidden", i, q.method, q.params)
			}
		}
	}
	t.Logf("%d questions at each of three replicas, %d differences", len(questions), differ)
	streams := map[*peopledFleet][]func(string) []string{}
	uris := []string{"slack://events", "slack://channels/" + sandbox.Leads + "/events", "slack://channels/" + sandbox.General + "/events", "slack://channels", "slack://users", "slack://events/EvLASTB"}
	for _, f := range []*peopledFleet{whole, bare} {
		for i, at := range f.replicas {
			who := f.clients[i%2]
			streams[f] = append(streams[f],
				f.listen(who, at, "events/stream", map[string]any{"name": "message.created", "arguments": map[string]any{}, "cursor": "start"}),
				f.listen(who, at, "subscriptions/listen", map[string]any{"notifications": map[string]any{"resourceSubscriptions": uris}}))
		}
		last = f.happens("B", f == whole)
	}
	for i := range streams[whole] {
		here, there := streams[whole][i](last), streams[bare][i](last)
		if i%2 == 1 { // updates of one resource that come close together are joined
			slices.Sort(here)
			slices.Sort(there)
			here, there = slices.Compact(here), slices.Compact(there)
		}
		if !slices.Equal(here, there) {
			t.Errorf("stream %d of replica %d tells %d things, and %d without what is hidden:\n%.3000s\n%.3000s", i%2, i/2, len(here), len(there), strings.Join(here, "\n"), strings.Join(there, "\n"))
		}
	}
}
