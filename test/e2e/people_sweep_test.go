package e2e_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
)

// A callbackBox is what callbacks are posted to.
type callbackBox struct {
	url, host string

	mu     sync.Mutex
	got    map[string][]string // by path
	refuse bool                // all but challenges
}

func newCallbackBox(t *testing.T) *callbackBox {
	t.Helper()
	b := &callbackBox{got: map[string][]string{}}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	b.url, b.host = srv.URL, strings.TrimPrefix(srv.URL, "http://")
	return b
}

func (b *callbackBox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var in struct{ Type, Challenge string }
	if json.Unmarshal(raw, &in) == nil && in.Type == "verification" {
		_ = json.NewEncoder(w).Encode(map[string]string{"challenge": in.Challenge})
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	b.got[r.URL.Path] = append(b.got[r.URL.Path], r.Header.Get("Webhook-Id")+" "+string(raw))
	w.WriteHeader(http.StatusNoContent)
}

// at is what came to a path.
func (b *callbackBox) at(path string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got[path])
}

// A peopledFleet is servers of one Redis, before one workspace in which people have signed in.
type peopledFleet struct {
	t        *testing.T
	public   string
	slack    *slackOfPeople
	replicas []*process
	clients  map[string][]signedInPerson // by the person
	calls    *callbackBox
	posted   int
	seen     thing // by all who are asked for
}

// newPeople makes a workspace without servers.
func newPeople(t *testing.T) *peopledFleet {
	t.Helper()
	f := &peopledFleet{t: t, public: "http://127.0.0.1:" + freePort(t), calls: newCallbackBox(t), clients: map[string][]signedInPerson{}}
	f.slack = startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{f.public + signin.CallbackPath}, SigningSecret: signingSecret, Empty: true})
	return f
}

// serve starts so many servers of one database, before which Alice signs in with one client, Bob with two, and Kira, a
// guest, with one.
func (f *peopledFleet) serve(servers int, database ...string) {
	f.t.Helper()
	env := append(f.slack.peopleEnv(f.t, f.public), database...)
	env = append(env, "SIGN_IN_SCOPES=read,events,write", "SIGN_IN_GUESTS=true", "TOOLSETS=all", "PEOPLE_CALLBACK_HOSTS="+f.calls.host, "EVENTS_CALLBACK_HOSTS="+f.calls.host)
	for i := range servers {
		o := options{env: slices.Clone(env)}
		if i == 0 {
			_, o.port, _ = strings.Cut(strings.TrimPrefix(f.public, "http://"), ":")
		}
		f.replicas = append(f.replicas, start(f.t, o))
	}
	for _, who := range []string{sandbox.Alice, sandbox.Bob, sandbox.Bob, sandbox.Kira} {
		f.clients[who] = append(f.clients[who], enterPerson(f.t, f.public, who))
	}
}

// startPeople is both.
func startPeople(t *testing.T, servers int, database ...string) *peopledFleet {
	t.Helper()
	f := newPeople(t)
	f.serve(servers, database...)
	return f
}

// startWorld starts servers of one Redis whose workspace has what all see who are asked for and, where that is wanted, what
// is hidden from Bob and Kira.
func startWorld(t *testing.T, servers int, withHidden bool) (f *peopledFleet, hidden thing) {
	t.Helper()
	f = newPeople(t)
	f.seen = f.content(sandbox.Grace, sandbox.Engineers, "openword")
	f.seen.event = "EvANGIB0000"
	if withHidden {
		hidden = f.content(sandbox.Alice, sandbox.Leads, "canaryleads")
	}
	f.serve(servers, backendEnv(t, "redis")...)
	return f, hidden
}

// happen posts a body to one replica after the other.
func (f *peopledFleet) happen(media string, body []byte) {
	f.t.Helper()
	if status, answer := f.try(media, body); status != http.StatusOK {
		f.t.Fatalf("%d %s", status, answer)
	}
}

func (f *peopledFleet) try(media string, body []byte, header ...string) (status int, answer string) {
	f.t.Helper()
	p := f.replicas[f.posted%len(f.replicas)]
	f.posted++
	req := signed(f.t, p.url, media, body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return p.do(req)
}

// slackEvent is the body of an event.
func slackEvent(id, inner string) []byte {
	return fmt.Appendf(nil, `{"type":"event_callback","team_id":%q,"api_app_id":"A0SANDBOX01","event_id":%q,"event_time":1763990000,"authorizations":[{"team_id":%q,"user_id":%q,"is_bot":true}],"event":%s}`,
		sandbox.Team, id, sandbox.Team, sandbox.BotUser, inner)
}

// saidIn is a message in a conversation, whose text begins with the event's id.
func saidIn(id, channel, more string) []byte {
	return slackEvent(id, fmt.Sprintf(`{"type":"message","channel":%q,"channel_type":"channel","user":%q,"ts":"1763999999.000100","text":%q}`, channel, sandbox.Grace, "the words of "+id+more))
}

// leftFrom says that somebody has left a conversation.
func leftFrom(id, channel, user string) []byte {
	return slackEvent(id, fmt.Sprintf(`{"type":"member_left_channel","channel":%q,"channel_type":"G","user":%q,"team":%q}`, channel, user, sandbox.Team))
}

// request is a request of 2026-07-28 of one client at one replica.
func (f *peopledFleet) request(ctx context.Context, who signedInPerson, at *process, method string, params map[string]any) *http.Response {
	f.t.Helper()
	return f.requestBy(ctx, http.DefaultClient, who, at, method, params)
}

func (f *peopledFleet) requestBy(ctx context.Context, by *http.Client, who signedInPerson, at *process, method string, params map[string]any) *http.Response {
	f.t.Helper()
	res, err := f.attempt(ctx, by, who, at, method, params)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

func (f *peopledFleet) attempt(ctx context.Context, by *http.Client, who signedInPerson, at *process, method string, params map[string]any) (*http.Response, error) {
	with := map[string]any{"_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": map[string]any{"name": "t", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}}
	maps.Copy(with, params)
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 7, "method": method, "params": with})
	if err != nil {
		return nil, err
	}
	raw = bytes.ReplaceAll(raw, []byte(saidTS), []byte(f.seen.ts))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.url+"/mcp", bytes.NewReader(raw))
	if err != nil {
		return nil, err
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
			req.Header.Set("Mcp-Name", strings.ReplaceAll(name, saidTS, f.seen.ts))
		}
	}
	return by.Do(req)
}

// An occurrence is an event of a stream.
type occurrence struct{ id, cursor string }

// occurrenceOf reads a line of a stream of events.
func occurrenceOf(line string) (occurrence, bool) {
	data, ok := strings.CutPrefix(line, "data: ")
	var in struct {
		Method string
		Params struct {
			ID     string `json:"eventId"`
			Cursor string
		}
	}
	if !ok || json.Unmarshal([]byte(data), &in) != nil || in.Method != "notifications/events/event" {
		return occurrence{}, false
	}
	return occurrence{in.Params.ID, in.Params.Cursor}, true
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

// listen's callbacks: subscribe has what a stream would tell be posted to a path.
func (f *peopledFleet) subscribe(who signedInPerson, at *process, path, cursor string) (until func(text string) []string) {
	f.t.Helper()
	got := f.ask(who, at, "events/subscribe", map[string]any{
		"name": "message.created", "arguments": map[string]any{}, "cursor": cursor,
		"delivery": map[string]any{"mode": "webhook", "url": f.calls.url + path, "secret": "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-nine bytes"))},
	})
	if strings.Contains(got, `"error"`) {
		f.t.Fatalf("subscribe: %s", got)
	}
	return func(text string) (told []string) {
		f.t.Helper()
		eventually(f.t, 3*time.Minute, func() error {
			told = f.calls.at(path)
			if len(told) == 0 || !strings.Contains(told[len(told)-1], text) {
				return fmt.Errorf("to %s came %d, the last of them %.300s", path, len(told), strings.Join(told[max(0, len(told)-1):], ""))
			}
			return nil
		})
		for i := range told {
			told[i] = alike(told[i])
		}
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
var passing = regexp.MustCompile(`\b20\d\d-\d\d-\d\dT[0-9:.]+Z|"(cursor|next_cursor|ask_id|created|time|block_id|client_msg_id)\\?":\\?"[^"\\]+|"year\\?":[0-9]+|127\.0\.0\.1:\d+|\b1[0-9]{9}\.[0-9]{6}\b|/p1[0-9]{15}\b`)

func alike(s string) string { return passing.ReplaceAllString(s, "_") }

// plainTypes are documented events that change nobody's sight; those have tests of their own.
var plainTypes = strings.Fields(`message app_mention reaction_added reaction_removed pin_added pin_removed channel_rename channel_archive channel_unarchive
	link_shared message_metadata_posted message_metadata_updated message_metadata_deleted emoji_changed subteam_created subteam_updated
	block_actions view_submission shortcut message_action`)

// A fleetEvent is what is posted to a fleet, and who of those who are asked for see it.
type fleetEvent struct {
	media string
	body  []byte
	sees  func(viewer string) bool
}

// inChannel reports that one of those who are asked for sees what is in a conversation.
func inChannel(channel, viewer string) bool {
	return channel == sandbox.Engineers || viewer == sandbox.Alice || channel == sandbox.General && viewer == sandbox.Bob
}

// documentedIn are the documented events in a conversation, by somebody. Those of the workspace are in General.
func documentedIn(t *testing.T, round, channel, actor string) (events []fleetEvent) {
	t.Helper()
	raw, err := os.ReadFile("../../mcp/view/testdata/events.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Event, Payload json.RawMessage }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for i, d := range all {
		body, form := d.Event, d.Event == nil
		if form {
			body = d.Payload
		}
		var is struct{ Type, Subtype string }
		if err := json.Unmarshal(body, &is); err != nil {
			t.Fatal(err)
		}
		moves := strings.Contains(is.Subtype, "join") || strings.Contains(is.Subtype, "leave") || strings.Contains(is.Subtype, "convert")
		ofAll := !form && !strings.Contains(string(body), "0GENERAL1")
		if moves || !slices.Contains(plainTypes, is.Type) || ofAll && channel != sandbox.General {
			continue
		}
		id := fmt.Sprintf("Ev%s%s%s%04d", round, channel[3:6], actor[2:3], i)
		text := strings.NewReplacer("C0GENERAL1", channel, "G0GENERAL1", channel, "U0INSIDE01", actor, "U0INSIDE02", sandbox.Henrik, "U0INSIDE03", sandbox.Ines,
			"hello", "said "+id, "1763990000.000100", fmt.Sprintf("17639%05d.000100", i)).Replace(string(body))
		e := fleetEvent{media: "application/json", sees: func(viewer string) bool { return inChannel(channel, viewer) }}
		if form {
			e = fleetEvent{"application/x-www-form-urlencoded", []byte(url.Values{"payload": {text}}.Encode()), func(viewer string) bool { return viewer == actor }}
		} else {
			e.body = slackEvent(id, text)
		}
		events = append(events, e)
	}
	return events
}

// happens posts a round of documented events, or those of them that a viewer sees: in a conversation that is hidden
// from Bob and Kira, in one that Bob sees, and in one that both see.
func (f *peopledFleet) happens(round, viewer string) (last string) {
	f.t.Helper()
	for _, at := range [][2]string{{sandbox.Leads, sandbox.Alice}, {sandbox.General, sandbox.Bob}, {sandbox.Engineers, sandbox.Bob}, {sandbox.Engineers, sandbox.Kira}} {
		for _, e := range documentedIn(f.t, round, at[0], at[1]) {
			if viewer == "" || e.sees(viewer) {
				f.happen(e.media, e.body)
			}
		}
	}
	last = "EvLAST" + round
	f.happen("application/json", saidIn(last, sandbox.Engineers, ""))
	return last
}

// named are the values of a member in what a list has.
func named(body, member string) (all []string) {
	for _, m := range regexp.MustCompile(`"`+member+`":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

// A thing is a message with what hangs on it, and what else is in a conversation, in Slack. Each text of it has its word.
type thing struct{ channel, word, ts, file, canvas, event string }

// saidTS stands in questions for the ts of the message that all see, which differs between fleets.
const saidTS = "SAIDTS"

// content has somebody fill a conversation.
func (f *peopledFleet) content(user, channel, word string) thing {
	f.t.Helper()
	box, p := f.slack.box, thing{channel: channel, word: word, event: "EvA" + channel[3:6] + user[2:3] + "0000"}
	must := func(err error) {
		f.t.Helper()
		if err != nil {
			f.t.Fatal(err)
		}
	}
	var err error
	p.ts, err = box.PostAs(user, channel, word+" says", sandbox.Saying{})
	must(err)
	_, err = box.PostAs(user, channel, word+" replies", sandbox.Saying{ThreadTS: p.ts})
	must(err)
	p.file, _, err = box.UploadAs(user, channel, word+".txt", []byte(word+" contents"), word+" comment")
	must(err)
	must(box.PinAs(user, channel, p.ts))
	must(box.ReactAs(user, channel, p.ts, "lantern"))
	must(box.TopicAs(user, channel, word+" topic"))
	call := func(method string, form url.Values) string {
		f.t.Helper()
		form.Set("token", "xoxp-sandbox-"+user)
		res, err := http.PostForm(f.slack.url+"/api/"+method, form)
		must(err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		must(err)
		if !strings.Contains(string(body), `"ok":true`) {
			f.t.Fatalf("%s: %s", method, body)
		}
		return string(body)
	}
	call("bookmarks.add", url.Values{"channel_id": {channel}, "type": {"link"}, "title": {word + " mark"}, "link": {"https://example.com/" + word}})
	call("chat.scheduleMessage", url.Values{"channel": {channel}, "text": {word + " later"}, "post_at": {fmt.Sprint(time.Now().Add(time.Hour).Unix())}})
	p.canvas = named(call("canvases.create", url.Values{"title": {word + " canvas"}, "channel_id": {channel}, "document_content": {`{"type":"markdown","markdown":"# ` + word + ` text"}`}}), "canvas_id")[0]
	return p
}

// fills are what stands for the arguments of tools, prompts and addresses, of a thing.
func fills(p thing) map[string]any {
	return map[string]any{
		"channel": p.channel, "channels": p.channel, "event_id": p.event, "timestamp": p.ts, "thread_ts": p.ts, "query": p.word, "user": sandbox.Grace,
		"users": []string{sandbox.Grace}, "user_group": "@support-team", "file_id": p.file, "canvas_id": p.canvas, "message_id": "m1", "source": "slack",
		"topic": p.word, "since": "2h", "timeout_seconds": 1, "word": p.word,
	}
}

// A fleetQuestion is one request of the sweep.
type fleetQuestion struct {
	method string
	params map[string]any
	seen   bool // it is of what all see who are asked for
}

// tool is the tool that is called; "" for another request.
func (q fleetQuestion) tool() string {
	if q.method != "tools/call" {
		return ""
	}
	return fmt.Sprint(q.params["name"])
}

// listedNames are the names in a list.
func (f *peopledFleet) listedNames(who signedInPerson, method, list, member string) (names []string) {
	f.t.Helper()
	body := f.ask(who, f.replicas[0], method, nil)
	var in struct{ Result map[string]json.RawMessage }
	var all []map[string]any
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		f.t.Fatalf("%s: %v", body, err)
	}
	if err := json.Unmarshal(in.Result[list], &all); err != nil || len(all) == 0 {
		f.t.Fatalf("%s lists nothing, %v: %.500s", method, err, body)
	}
	for _, one := range all {
		names = append(names, fmt.Sprint(one[member]))
	}
	return names
}

// questions are what a fleet lists for somebody: reading tools, resources, prompts, completions and types of events. Each
// is asked of what is hidden, and of what all see.
func (f *peopledFleet) questions(me signedInPerson, hidden thing) (all []fleetQuestion) {
	f.t.Helper()
	type m = map[string]any
	seen := f.seen
	seen.ts = saidTS
	things := []m{fills(hidden), fills(seen)}
	add := func(method string, params m) { all = append(all, fleetQuestion{method, params, false}) }
	ofThing := func(i int, method string, params m) {
		if !slices.ContainsFunc(all, func(q fleetQuestion) bool { return q.method == method && fmt.Sprint(q.params) == fmt.Sprint(params) }) {
			all = append(all, fleetQuestion{method, params, i == 1}) // what takes no argument is asked once: Slack lets itself be asked for some things every three seconds
		}
	}
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
	if err := json.Unmarshal([]byte(f.ask(me, f.replicas[0], "tools/list", nil)), &tools); err != nil || len(tools.Result.Tools) < 40 {
		f.t.Fatalf("%d tools, %v", len(tools.Result.Tools), err)
	}
	for _, tool := range tools.Result.Tools {
		if !tool.Annotations.ReadOnlyHint {
			continue // TestSweep of package mcp calls these
		}
		for i, of := range things {
			args := m{}
			for name, value := range of {
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
			ofThing(i, "tools/call", m{"name": tool.Name, "arguments": args})
		}
	}
	for _, with := range []m{{"limit": 200}, {"limit": 3}, {"limit": 10, "response_format": "detailed"}, {"order": "oldest_first", "limit": 7}, {"query": "said", "limit": 200}} {
		add("tools/call", m{"name": "slack_list_events", "arguments": with})
	}
	for _, method := range []string{"tools/list", "resources/list", "resources/templates/list", "prompts/list", "events/list", "server/discover"} {
		add(method, nil)
	}
	for _, uri := range f.listedNames(me, "resources/list", "resources", "uri") {
		add("resources/read", m{"uri": uri})
	}
	for _, uri := range f.listedNames(me, "resources/templates/list", "resourceTemplates", "uriTemplate") {
		for i, of := range things {
			filled := uri
			for name, value := range of {
				filled = strings.ReplaceAll(filled, "{"+name+"}", fmt.Sprint(value))
			}
			if strings.Contains(filled, "{") {
				f.t.Errorf("%s is not swept: say in fills what it needs", uri)
			}
			ofThing(i, "resources/read", m{"uri": filled})
		}
		for _, v := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(uri, -1) {
			for _, typed := range []string{"", "lea", "EvAEAD"} {
				add("completion/complete", m{"ref": m{"type": "ref/resource", "uri": uri}, "argument": m{"name": v[1], "value": typed}})
			}
		}
	}
	for _, name := range f.listedNames(me, "prompts/list", "prompts", "name") {
		for i, of := range things {
			ofThing(i, "prompts/get", m{"name": name, "arguments": m{"channel": of["channel"], "channels": of["channel"], "event_id": of["event_id"], "query": of["query"], "topic": of["topic"]}})
		}
	}
	for _, name := range f.listedNames(me, "events/list", "events", "name") {
		for _, most := range []int{200, 3} {
			add("events/poll", m{"name": name, "arguments": m{}, "cursor": "start", "maxEvents": most})
		}
	}
	return all
}

// nothingSaid are the tools and methods that show nothing of what is in a conversation.
var nothingSaid = strings.Fields(`slack_list_channel_members slack_get_user_presence slack_list_user_group_members slack_get_permalink
	slack_list_user_groups slack_search_emojis slack_get_user_profiles slack_list_users slack_read_emojis slack_search_users
	slack_wait_for_event prompts/get tools/list server/discover resources/templates/list resources/list prompts/list events/list`)

// ofNobody are the questions that nobody who has signed in gets an answer to: receipts are no person's.
func (q fleetQuestion) ofNobody() bool {
	return q.tool() == "webhook_message_status" || q.params["uri"] == "webhook://receipts/messages/m1"
}

// wrong is why an answer proves nothing, "" where it does: the question was wrong, or it is of what all see and was
// not answered.
func (q fleetQuestion) wrong(answer string) string {
	absent := strings.Contains(answer, "resource not found")
	switch refused := strings.Contains(answer, `"id":7,"error":{`); {
	case q.ofNobody():
	case q.tool() != "" && strings.Contains(answer, "invalid_arguments"), refused && !absent:
		return "the question is refused"
	case q.seen && (absent || strings.Contains(answer, `"isError":true`)):
		return "what all see is not shown"
	}
	return ""
}

// control sees to it that a leak would be seen: who may see what is hidden from others is shown it by each tool and method
// that shows what is in conversations.
func (f *peopledFleet) control(questions []fleetQuestion, hidden thing) {
	f.t.Helper()
	shown := map[string]bool{}
	for _, q := range questions {
		got, name := f.ask(f.clients[sandbox.Alice][0], f.replicas[0], q.method, q.params), cmp.Or(q.tool(), q.method)
		shows := slices.ContainsFunc([]string{hidden.word, hidden.event, hidden.channel}, func(word string) bool {
			return strings.Contains(got, word) && !strings.Contains(fmt.Sprint(q.params), word)
		})
		shown[name] = shown[name] || shows || strings.Contains(got, hidden.word+" ") || strings.Contains(got, "said "+hidden.event) || q.ofNobody()
	}
	for name, ok := range shown {
		if ok == slices.Contains(nothingSaid, name) {
			f.t.Errorf("%s shows what is hidden to who may see it: %v", name, ok)
		}
	}
}

// apart shows two texts around where they begin to differ.
func apart(x, y string) string {
	i := 0
	for i < min(len(x), len(y)) && x[i] == y[i] {
		i++
	}
	around := func(s string) string { return s[max(0, min(len(s), i)-200):min(len(s), i+300)] }
	return "with what is hidden: … " + around(x) + "\nwithout it: … " + around(y)
}

// TestPeopleOnReplicas: two clients of one person, and a guest, at three servers of one Redis, which got the events in
// turn. Each answer, stream and callback is byte for byte that of a server to which what is hidden from them never came,
// whichever of the three is asked.
func TestPeopleOnReplicas(t *testing.T) {
	t.Parallel()
	viewers := []string{sandbox.Bob, sandbox.Kira}
	whole, hidden := startWorld(t, 3, true)
	bare := map[string]*peopledFleet{}
	for _, viewer := range viewers {
		bare[viewer], _ = startWorld(t, 1, false)
	}
	last := whole.happens("A", "")
	for i, at := range whole.replicas {
		whole.known(whole.clients[sandbox.Alice][0], at, last)
		for _, viewer := range viewers {
			whole.known(whole.client(viewer, i), at, last)
		}
	}
	questions := map[string][]fleetQuestion{}
	for _, viewer := range viewers {
		bare[viewer].happens("A", viewer)
		for i := range whole.replicas {
			bare[viewer].known(bare[viewer].client(viewer, i), bare[viewer].replicas[0], last)
		}
		questions[viewer] = whole.questions(whole.client(viewer, 0), hidden)
	}
	whole.control(questions[sandbox.Bob], hidden)
	for _, viewer := range viewers {
		whole.compare(bare[viewer], viewer, questions[viewer], hidden)
	}
	whole.followed(bare, viewers)
}

// compare asks the same of each replica, and of a server to which what is hidden from a viewer never came.
func (f *peopledFleet) compare(bare *peopledFleet, viewer string, questions []fleetQuestion, hidden thing) {
	f.t.Helper()
	differ := 0
	for _, q := range questions {
		without := make([]string, len(f.clients[viewer]))
		for i := range without {
			without[i] = alike(bare.ask(bare.client(viewer, i), bare.replicas[0], q.method, q.params))
		}
		for i, at := range f.replicas {
			answer := f.ask(f.client(viewer, i), at, q.method, q.params)
			here, there := alike(answer), without[i%len(without)]
			if here != there {
				if differ++; differ <= 5 {
					f.t.Errorf("%s at replica %d: %s %v differs:\n%s", viewer, i, q.method, q.params, apart(here, there))
				}
			}
			if strings.Contains(here, hidden.word+" ") || strings.Contains(here, "said "+hidden.event[:7]) {
				f.t.Errorf("%s at replica %d: %s %v shows what is hidden", viewer, i, q.method, q.params)
			}
			if why := q.wrong(answer); why != "" {
				f.t.Errorf("%s at replica %d: %s %v proves nothing, %s: %.400s", viewer, i, q.method, q.params, why, answer[max(0, strings.Index(answer, `"content"`)):])
			}
		}
	}
	f.t.Logf("%s: %d questions at each of %d replicas, %d differences", viewer, len(questions), len(f.replicas), differ)
}

// client is one of the clients of a person, in turn.
func (f *peopledFleet) client(who string, i int) signedInPerson {
	return f.clients[who][i%len(f.clients[who])]
}

// An earshot is one way in which somebody is told.
type earshot struct {
	until func(text string) []string
	set   bool // updates of one resource that come close together are joined
}

// follow opens the ways in which somebody is told at one server.
func (f *peopledFleet) follow(viewer string, i int, at *process) []earshot {
	f.t.Helper()
	uris := []string{
		"slack://events", "slack://channels/" + sandbox.Leads + "/events", "slack://channels/" + sandbox.General + "/events",
		"slack://channels/" + sandbox.Engineers + "/events", "slack://channels", "slack://users", "slack://events/EvLASTB",
	}
	who := f.client(viewer, i)
	return []earshot{
		{until: f.listen(who, at, "events/stream", map[string]any{"name": "message.created", "arguments": map[string]any{}, "cursor": "start"})},
		{until: f.subscribe(who, at, fmt.Sprintf("/%s/%d", viewer, i), "start")},
		{until: f.listen(who, at, "subscriptions/listen", map[string]any{"notifications": map[string]any{"resourceSubscriptions": uris}}), set: true},
	}
}

// followed compares what people are told of another round.
func (f *peopledFleet) followed(bare map[string]*peopledFleet, viewers []string) {
	f.t.Helper()
	here, there := map[string][]earshot{}, map[string][]earshot{}
	for _, viewer := range viewers {
		for i, at := range f.replicas {
			here[viewer] = append(here[viewer], f.follow(viewer, i, at)...)
			there[viewer] = append(there[viewer], bare[viewer].follow(viewer, i, bare[viewer].replicas[0])...)
		}
	}
	last := f.happens("B", "")
	for _, viewer := range viewers {
		bare[viewer].happens("B", viewer)
		for i, ear := range here[viewer] {
			with, without := ear.until(last), there[viewer][i].until(last)
			if ear.set {
				slices.Sort(with)
				slices.Sort(without)
				with, without = slices.Compact(with), slices.Compact(without)
			}
			if !slices.Equal(with, without) {
				f.t.Errorf("%s is told %d things by way %d, and %d without what is hidden:\n%.3000s\n%.3000s", viewer, len(with), i, len(without), strings.Join(with, "\n"), strings.Join(without, "\n"))
			}
		}
	}
}
