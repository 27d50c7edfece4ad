package slackapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

const (
	botCanary  = "xoxb-sandbox-CANARY-bot"
	userCanary = "xoxp-sandbox-CANARY-user"
	textCanary = "CANARY of a text"
)

// TestNothingSecretIsInAnError lets calls fail in every way, against a server that
// throws everything back, and searches what comes of it.
func TestNothingSecretIsInAnError(t *testing.T) {
	t.Parallel()
	echo := func(status int, format string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body := readAll(r)
			w.Header().Set("Location", "/"+r.Header.Get("Authorization"))
			w.WriteHeader(status)
			fmt.Fprintf(w, format, strings.NewReplacer(`"`, "'", "\n", " ").Replace(body+r.Header.Get("Authorization")+r.URL.String()))
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"a refusal that quotes the request": echo(200, `{"ok":false,"error":"invalid_arguments","response_metadata":{"messages":["[ERROR] bad: %s [json-pointer:/text]"]}}`),
		"text in place of JSON":             echo(200, "%s"),
		"another structure":                 echo(200, `{"ok":false,"errors":[{"strange":%q}]}`),
		"500 with the request in it":        echo(500, "%s"),
		"404 with the request in it":        echo(404, "%s"),
		"a redirect to the token":           echo(302, "%s"),
		"429 without a time":                echo(429, "%s"),
		"a connection that breaks":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer that breaks in the middle": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = w.Write([]byte(`{"ok":`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(h)
			t.Cleanup(server.Close)
			searchErrors(t, server.URL)
		})
	}
	t.Run("no server listens", func(t *testing.T) {
		t.Parallel()
		searchErrors(t, unreachable(t))
	})
}

func searchErrors(t *testing.T, base string) {
	var seen calls
	c, err := slackapi.New(slackapi.Options{
		BotToken: botCanary, UserToken: userCanary, URL: base + "/api/", Timeout: 2 * time.Second, Pace: 1000, OnCall: seen.add,
	})
	succeed(t, err)
	ctx := t.Context()
	secretURL := base + "/files-pri/CANARY-url"
	collect := []error{
		second(c.AuthTest(ctx)), second(c.PostMessage(ctx, slackapi.Post{Channel: "C1", Text: textCanary})),
		second(c.History(ctx, slackapi.HistoryQuery{Channel: "C1"})), second(c.Permalink(ctx, "C1", "1.2")),
		second(c.SearchMessages(ctx, slackapi.SearchQuery{Query: textCanary})), second(c.Download(ctx, secretURL, 100)),
		c.Respond(ctx, secretURL, slackapi.Response{Text: textCanary}), second(c.Upload(ctx, slackapi.Upload{Name: "a", Data: []byte(textCanary)})),
		second(c.AsUser().UserList(ctx, "", 0)), c.EditCanvas(ctx, "F1", slackapi.CanvasChange{Operation: "delete"}),
		second(c.Download(ctx, "https://evil.example/CANARY-url", 100)),
	}
	if n := len(slices.DeleteFunc(slices.Clone(collect), func(err error) bool { return err == nil })); n < 9 {
		t.Fatalf("only %d calls failed", n) // a file, and a response URL, may say anything
	}
	for _, err := range collect {
		if err == nil {
			continue
		}
		var all strings.Builder
		for e := err; e != nil; e = errors.Unwrap(e) {
			fmt.Fprintf(&all, "%v %+v %#v ", e, e, e)
		}
		raw, _ := json.Marshal(err)
		all.Write(raw)
		if strings.Contains(all.String(), "CANARY") || strings.Contains(all.String(), "xox") {
			t.Errorf("a secret is in %s", all.String())
		}
	}
	if observed := fmt.Sprintf("%+v", seen.all); strings.Contains(observed, "CANARY") {
		t.Errorf("a secret is in the observations: %s", observed)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRehearsal(t *testing.T) {
	t.Parallel()
	sb, c := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{})
	stage, requests := c.Rehearse()
	ctx := t.Context()
	succeed(t, errors.Join(
		second(stage.PostMessage(ctx, slackapi.Post{Channel: "C1", Text: "hi", ThreadTS: "1.2", Broadcast: true, Blocks: []byte(`[{"type":"divider"}]`)})),
		second(stage.Permalink(ctx, "C1", "1.2")),
		stage.EditCanvas(ctx, "F1", slackapi.CanvasChange{Operation: "rename", Markdown: "new"}),
		second(stage.Upload(ctx, slackapi.Upload{Name: "a.txt", Data: []byte("abc"), Channel: "C1"})),
		stage.Respond(ctx, sb.APIURL()+"x", slackapi.Response{Text: "yes"}),
	))
	raw, err := json.MarshalIndent(requests(), "", " ")
	succeed(t, err)
	want := `[
 {"method":"chat.postMessage","params":{"blocks":[{"type":"divider"}],"channel":"C1","reply_broadcast":"true","text":"hi","thread_ts":"1.2","unfurl_links":"false","unfurl_media":"false"}},
 {"method":"chat.getPermalink","params":{"channel":"C1","message_ts":"1.2"}},
 {"method":"canvases.edit","params":{"canvas_id":"F1","changes":[{"operation":"rename","title_content":{"markdown":"new","type":"markdown"}}]}},
 {"method":"files.getUploadURLExternal","params":{"filename":"a.txt","length":"3"}},
 {"method":"files.upload","params":{"bytes":3}},
 {"method":"files.completeUploadExternal","params":{"channel_id":"C1","files":[{"id":"","title":"a.txt"}]}},
 {"method":"response_url","params":{"replace_original":false,"response_type":"ephemeral","text":"yes"}}
]`
	if got, want := compact(t, raw), compact(t, []byte(want)); got != want {
		t.Errorf("rehearsed\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(string(raw), "xoxb") {
		t.Error("a token is in the rehearsal")
	}
	if got := history(t, sb, sandbox.General); len(got) != 0 {
		t.Errorf("a rehearsal left %v in the workspace", got)
	}
	_, err = stage.PostMessage(ctx, slackapi.Post{Channel: "C1", Blocks: []byte("no")})
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
}

func compact(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	succeed(t, json.Unmarshal(raw, &v))
	out, err := json.Marshal(v)
	succeed(t, err)
	return string(out)
}
