package tools_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
)

// asUser may read with the user token, if the operator allows it.
var asUser = &access.Principal{Name: "worker", Scopes: []access.Scope{access.Read, access.AsUser}}

// as calls a tool as a principal.
func (r *rig) as(p *access.Principal, name string, args, out any) error {
	r.t.Helper()
	res, err := r.tryWith(r.t.Context(), &toolset.Call{Principal: p, Progress: func(float64, float64, string) {}}, name, args)
	if err == nil && out != nil {
		err = json.Unmarshal(res, out)
	}
	return err
}

// secluded is a workspace in which Ada, the owner of the user token, sees what the bot does not.
const secluded = `{
 "app": {"name": "Helper"},
 "people": [{"id": "U0ADA000001", "name": "ada", "real_name": "Ada Abbot"}, {"id": "U0BEN000001", "name": "ben", "real_name": "Ben Baker"}],
 "channels": [
  {"id": "C0DOCK00001", "name": "dock", "members": ["ada", "ben", "helper"], "messages": [{"ts": "1750000000.000000", "user": "ben", "text": "in sight"}]},
  {"id": "C0CELLAR001", "name": "cellar", "type": "private_channel", "members": ["ada", "ben"], "messages": [
   {"ts": "1750000100.000000", "user": "ben", "text": "out of sight", "pinned_by": "ada", "reactions": [{"name": "eyes", "users": ["ada"]}],
    "files": [{"id": "F0PLAN00001", "name": "plan.txt", "content": "the plan"}]},
   {"ts": "1750000200.000000", "thread_ts": "1750000100.000000", "user": "ada", "text": "a reply"}]}
 ]
}`

// secludedReads are the calls that read something in the cellar, with a text that they show.
var secludedReads = map[string]struct {
	args a
	want string
}{
	"slack_read_file":             {a{"file_id": "F0PLAN00001"}, "the plan"},
	"slack_get_file_info":         {a{"file_id": "F0PLAN00001"}, "plan.txt"},
	"slack_list_pins":             {a{"channel": "C0CELLAR001"}, "out of sight"},
	"slack_read_channel_messages": {a{"channel": "C0CELLAR001"}, "out of sight"},
	"slack_read_thread_messages":  {a{"channel": "C0CELLAR001", "thread_ts": "1750000100.000000"}, "a reply"},
	"slack_get_reactions":         {a{"channel": "C0CELLAR001", "timestamp": "1750000100.000000"}, "eyes"},
	"slack_get_channel_info":      {a{"channel": "C0CELLAR001"}, "cellar"},
	"slack_list_channel_members":  {a{"channel": "C0CELLAR001"}, "U0BEN000001"},
	"slack_list_bookmarks":        {a{"channel": "C0CELLAR001"}, "C0CELLAR001"},
}

// TestOnlyAsUserIsReadWithTheUserToken: what the bot cannot see is read by callers with the scope alone,
// if the operator allows it, and the result says so.
func TestOnlyAsUserIsReadWithTheUserToken(t *testing.T) {
	t.Parallel()
	allowed := newRig(t, workspace(t, secluded), func(o *rigOptions) { o.tools.UserReads = true })
	denied := newRig(t, workspace(t, secluded))
	for name, c := range secludedReads {
		var got json.RawMessage
		if err := allowed.as(asUser, name, c.args, &got); err != nil {
			t.Errorf("%s: %s", name, toolsFault(err))
			continue
		}
		if s := string(got); !strings.Contains(s, c.want) || !strings.Contains(s, `"read_as":"user"`) {
			t.Errorf("%s shows %s", name, s)
		}
		for who, try := range map[string]func() error{
			"a caller without the scope":  func() error { return allowed.as(tester, name, c.args, nil) },
			"an operator without consent": func() error { return denied.as(asUser, name, c.args, nil) },
		} {
			if err := try(); err == nil || !strings.Contains(toolsFault(err), "not_found: ") {
				t.Errorf("%s: %s is answered %v", name, who, err)
			}
		}
	}
}

// TestBesideSignInTheUserTokenServesItsScopeAlone: nor does it search, list or mark for other callers.
func TestBesideSignInTheUserTokenServesItsScopeAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, secluded), func(o *rigOptions) { o.tools.UserReads, o.tools.UserForScope = true, true })
	r.refuses("slack_list_unread", a{}, "not_as_user: ")
	r.refuses("slack_mark_read", a{"channel": "C0DOCK00001", "timestamp": "1750000000.000000"}, "not_as_user: ")
	r.refuses("slack_search_messages", a{"query": "sight"}, "invalid argument event_id") // as the bot
	var got hits
	if err := r.as(asUser, "slack_search_messages", a{"query": "sight"}, &got); err != nil || len(got.Messages) != 2 {
		t.Errorf("found %+v, %v", got, err)
	}
}

// TestTheBotReadsWhatItSees: the user token is not used for what the bot can read.
func TestTheBotReadsWhatItSees(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, secluded), func(o *rigOptions) { o.tools.UserReads = true })
	var got json.RawMessage
	if err := r.as(asUser, "slack_read_channel_messages", a{"channel": "#dock"}, &got); err != nil {
		t.Fatal(err)
	}
	if s := string(got); !strings.Contains(s, "in sight") || strings.Contains(s, "read_as") {
		t.Errorf("read %s", s)
	}
}

// TestOlderThreadsOutOfSight: which older threads grew is told of a conversation that the bot is not in too,
// of which the event log has nothing however far back it reaches.
func TestOlderThreadsOutOfSight(t *testing.T) {
	t.Parallel()
	recent := strings.Replace(secluded, "{", `{"until_now": true,`, 1)
	r := newRig(t, workspace(t, recent), func(o *rigOptions) { o.tools.UserReads = true })
	old := eventtest.Envelope("EvOld", a{"type": "message", "channel": "C0DOCK00001", "user": "U0BEN000001", "ts": "1700000000.000100"})
	old.ReceivedAt = time.Now().Add(-24 * time.Hour)
	r.events.Append(old)
	var page struct {
		Messages     []message
		OlderThreads []struct {
			ThreadTS string `json:"thread_ts"`
		} `json:"older_threads"`
		Note string
	}
	read := func(args a) {
		t.Helper()
		if err := r.as(asUser, "slack_read_channel_messages", args, &page); err != nil {
			t.Fatal(toolsFault(err))
		}
	}
	read(a{"channel": "C0CELLAR001"})
	root := page.Messages[0].TS
	read(a{"channel": "C0CELLAR001", "oldest": root})
	if len(page.OlderThreads) != 0 {
		t.Errorf("the thread that begins there is called older: %+v", page)
	}
	sec, _, _ := strings.Cut(root, ".")
	n, err := strconv.Atoi(sec)
	if err != nil {
		t.Fatal(err)
	}
	read(a{"channel": "C0CELLAR001", "oldest": fmt.Sprintf("%d.000000", n+1)})
	if len(page.OlderThreads) != 1 || page.OlderThreads[0].ThreadTS != root || !strings.Contains(page.Note, "complete for threads that began since") {
		t.Errorf("read %+v", page)
	}
}
