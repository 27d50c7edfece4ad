package sandbox_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

func said(e event) (texts []string) {
	all, _ := e["messages"].([]any)
	for _, m := range all {
		texts = append(texts, m.(map[string]any)["text"].(string))
	}
	return texts
}

func TestHistoryIsASpan(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{Empty: true})
	ts := map[string]string{}
	for _, text := range []string{"one", "two", "three", "four"} {
		ts[text] = post(t, sb, text)
	}
	_, err := sb.PostAs("bob", "#random", "hidden in the thread", sandbox.Saying{ThreadTS: ts["two"]})
	ok(t, err)
	for _, c := range []struct {
		name, form string
		want       []string
	}{
		{"everything, newest first, without replies", "", []string{"four", "three", "two", "one"}},
		{"after a message", "oldest=" + ts["two"], []string{"four", "three"}},
		{"from a message on", "oldest=" + ts["two"] + "&inclusive=true", []string{"four", "three", "two"}},
		{"before a message", "latest=" + ts["three"], []string{"two", "one"}},
		{"a message alone", "latest=" + ts["three"] + "&inclusive=1&limit=1", []string{"three"}},
		{"between two", "oldest=" + ts["one"] + "&latest=" + ts["four"], []string{"three", "two"}},
		{"nothing", "oldest=" + ts["four"], nil},
	} {
		if got := said(call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel="+sandbox.Random+"&"+c.form)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}

	t.Run("pages meet without a gap", func(t *testing.T) {
		t.Parallel()
		var got []string
		cursor := ""
		for range 10 {
			e := call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel="+sandbox.Random+"&limit=2&cursor="+url.QueryEscape(cursor))
			got = append(got, said(e)...)
			if cursor = e.str("response_metadata.next_cursor"); cursor == "" {
				break
			}
		}
		if want := []string{"four", "three", "two", "one"}; !slices.Equal(got, want) {
			t.Errorf("pages %v, want %v", got, want)
		}
	})

	t.Run("a thread is found by one of its replies", func(t *testing.T) {
		t.Parallel()
		e := call(t, base, "conversations.replies", sandbox.DefaultUserToken, "channel="+sandbox.Random+"&ts="+ts["two"])
		if got := said(e); !slices.Equal(got, []string{"two", "hidden in the thread"}) {
			t.Errorf("thread %v", got)
		}
		reply := e["messages"].([]any)[1].(map[string]any)["ts"].(string)
		if again := call(t, base, "conversations.replies", sandbox.DefaultUserToken, "channel="+sandbox.Random+"&ts="+reply); !slices.Equal(said(again), said(e)) {
			t.Errorf("thread by its reply %v", said(again))
		}
	})

	t.Run("a person reads public channels that they are not in", func(t *testing.T) {
		t.Parallel()
		if got := call(t, base, "conversations.history", "xoxp-sandbox-"+sandbox.Grace, "channel="+sandbox.Support); got["ok"] != true {
			t.Errorf("answered %v", got)
		}
	})
}

func TestTextIsStoredAsSlackStoresIt(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{Empty: true})
	for text, want := range map[string]string{
		"a & b < c > d":                    "a &amp; b &lt; c &gt; d",
		"&amp; stays, &nbsp; not":          "&amp; stays, &amp;nbsp; not",
		"hi <@U0BOB000001> <#C0RANDOM001>": "hi <@U0BOB000001> <#C0RANDOM001>",
		"<!here> <!channel>":               "<!here> <!channel>",
		"<script>alert(1)</script>":        "&lt;script&gt;alert(1)&lt;/script&gt;",
		"see https://x.example/a?b=1&c=2.": "see <https://x.example/a?b=1&amp;c=2>.",
		"<https://x.example|label>":        "<https://x.example|label>",
		"zażółć 日本 🏮":                      "zażółć 日本 🏮",
	} {
		_, err := sb.PostAs("alice", "#random", text, sandbox.Saying{})
		ok(t, err)
		got := call(t, base, "conversations.history", sandbox.DefaultBotToken, "limit=1&channel="+sandbox.Random)
		if said(got)[0] != want {
			t.Errorf("%q is stored as %q, want %q", text, said(got)[0], want)
		}
	}
}

// FuzzText posts any text: there is none that the workspace does not take.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"plain", "<@U1|x> & <https://a.example/?b&c|d> :tada:", "http://", "<<>>&&amp;", "<!subteam^S1>", "\x00\xff"} {
		f.Add(seed)
	}
	sb, err := sandbox.New(sandbox.Options{Empty: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) > 10_000 {
			return
		}
		if _, err := sb.PostAs("alice", "#random", text, sandbox.Saying{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{})
	list := func(token, types string) string {
		return mustJSON(t, call(t, base, "conversations.list", token, "types="+types))
	}
	if got := list(sandbox.DefaultBotToken, "private_channel"); strings.Contains(got, "salaries") || !strings.Contains(got, "leads") {
		t.Errorf("a bot sees %s", got)
	}
	if got := list("xoxp-sandbox-"+sandbox.Ines, "private_channel"); !strings.Contains(got, "salaries") || strings.Contains(got, "leads") {
		t.Errorf("Inês sees %s", got)
	}
	if got := call(t, base, "users.info", sandbox.DefaultBotToken, "user="+sandbox.Leo); got["user"].(map[string]any)["is_stranger"] != true {
		t.Errorf("Leo is %v", got)
	}
}
