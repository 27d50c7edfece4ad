package slackapi_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// inChannel counts a text in a channel, as its members see it.
func inChannel(t *testing.T, sb *sandbox.Sandbox, text string) (n int) {
	t.Helper()
	h := history(t, sb, sandbox.General)
	for _, m := range h {
		if m == text {
			n++
		}
	}
	return n
}

// patience is short where no answer is to come, and otherwise the client's own.
func patience(f sandbox.Fault) time.Duration {
	if f.Hang {
		return 400 * time.Millisecond
	}
	return 0
}

func history(t *testing.T, sb *sandbox.Sandbox, channel string) []string {
	t.Helper()
	c, err := slackapi.New(slackapi.Options{BotToken: "xoxb-sandbox-reader", URL: sb.APIURL(), Pace: 1000})
	succeed(t, err)
	sb.ClearFaults()
	return texts(must(c.History(t.Context(), slackapi.HistoryQuery{Channel: channel}))(t).Messages)
}

func TestPostIsNeverRepeatedInDoubt(t *testing.T) {
	t.Parallel()
	const text = "only once"
	for _, c := range []struct {
		name  string
		fault sandbox.Fault
		kind  slackapi.Kind
		code  string
		posts int // in the channel afterwards
		tries int
	}{
		{"the connection breaks after the effect", sandbox.Fault{Drop: true, AfterEffect: true}, slackapi.Ambiguous, slackapi.CodeConnectionLost, 1, 1},
		{"the connection breaks before the effect", sandbox.Fault{Drop: true}, slackapi.Ambiguous, slackapi.CodeConnectionLost, 0, 1},
		{"no answer comes after the effect", sandbox.Fault{Hang: true, AfterEffect: true}, slackapi.Ambiguous, slackapi.CodeTimeout, 1, 1},
		{"500 after the effect", sandbox.Fault{Status: 500, AfterEffect: true}, slackapi.Ambiguous, slackapi.CodeHTTPStatus, 1, 1},
		{"503", sandbox.Fault{Status: 503}, slackapi.Ambiguous, slackapi.CodeHTTPStatus, 0, 1},
		{"200 that is no Slack answer", sandbox.Fault{Status: 200, AfterEffect: true}, slackapi.Ambiguous, slackapi.CodeUnreadable, 1, 1},
		{"Slack's internal_error after the effect", sandbox.Fault{Error: "internal_error", AfterEffect: true}, slackapi.Ambiguous, "internal_error", 1, 1},
		{"Slack's fatal_error", sandbox.Fault{Error: "fatal_error"}, slackapi.Ambiguous, "fatal_error", 0, 1},
		{"a refusal", sandbox.Fault{Error: "restricted_action"}, slackapi.Forbidden, "restricted_action", 0, 1},
		{"a redirect", sandbox.Fault{Status: 302}, slackapi.Internal, slackapi.CodeHTTPStatus, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var seen calls
			sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{Retries: 3, OnCall: seen.add, AttemptTimeout: patience(c.fault)})
			succeed(t, sb.Inject(c.fault))
			_, err := client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: text})
			failed(t, err, c.kind, c.code)
			if c.kind == slackapi.Ambiguous && !contains(err.Error(), "may have been carried out") {
				t.Errorf("the error does not say that it may have been posted: %v", err)
			}
			if got := inChannel(t, sb, text); got != c.posts {
				t.Errorf("%d messages in the channel, want %d", got, c.posts)
			}
			if got := seen.of("chat.postMessage"); len(got) != c.tries {
				t.Errorf("attempts %v, want %d", got, c.tries)
			}
		})
	}

	t.Run("429 is repeated, because Slack did nothing", func(t *testing.T) {
		t.Parallel()
		var seen calls
		sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{Retries: 3, OnCall: seen.add})
		succeed(t, sb.Inject(sandbox.Fault{RetryAfter: 1}))
		must(client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: text}))(t)
		if got := seen.of("chat.postMessage"); !slices.Equal(got, []string{"rate_limited", "ok"}) {
			t.Errorf("attempts %v", got)
		}
		if got := inChannel(t, sb, text); got != 1 {
			t.Errorf("%d messages in the channel, want 1", got)
		}
	})

	t.Run("429 beyond the deadline comes back with the time to wait", func(t *testing.T) {
		t.Parallel()
		var seen calls
		sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{Retries: 3, Timeout: 5 * time.Second, OnCall: seen.add})
		succeed(t, sb.Inject(sandbox.Fault{RetryAfter: 40}))
		_, err := client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: text})
		if e := failed(t, err, slackapi.RateLimited, "ratelimited"); e.RetryAfter != 40*time.Second || e.Status != 429 {
			t.Errorf("error %+v, want to wait 40 s", e)
		}
		_, err = client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: text})
		if e := failed(t, err, slackapi.RateLimited, slackapi.CodeHeldBack); e.RetryAfter <= 30*time.Second {
			t.Errorf("the next post was held back for %s, want almost 40 s", e.RetryAfter)
		}
		must(client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Text: "another channel is free"}))(t)
		if got := seen.of("chat.postMessage"); !slices.Equal(got, []string{"rate_limited", "rate_limited", "ok"}) {
			t.Errorf("observed %v", got)
		}
	})

	t.Run("a connection that was never made is tried again", func(t *testing.T) {
		t.Parallel()
		dead := unreachable(t)
		var seen calls
		client, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, URL: dead + "/api/", Retries: 2, OnCall: seen.add})
		succeed(t, err)
		_, err = client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: text})
		failed(t, err, slackapi.Unavailable, slackapi.CodeNoConnection)
		if got := seen.of("chat.postMessage"); len(got) != 2 {
			t.Errorf("attempts %v, want 2", got)
		}
	})

	t.Run("a server that cannot prove its name is sent nothing", func(t *testing.T) {
		t.Parallel()
		asked := false
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		client, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, URL: server.URL + "/api/"})
		succeed(t, err)
		_, err = client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: text})
		failed(t, err, slackapi.Unavailable, slackapi.CodeNoConnection)
		if asked {
			t.Error("the request was sent")
		}
	})

	t.Run("a caller that gives up after sending gets an error that says so", func(t *testing.T) {
		t.Parallel()
		sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{Retries: 3})
		succeed(t, sb.Inject(sandbox.Fault{Hang: true, AfterEffect: true}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		_, err := client.PostMessage(ctx, slackapi.Post{Channel: sandbox.General, Text: text})
		failed(t, err, slackapi.Ambiguous, slackapi.CodeTimeout)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not unwrap to the context's error", err)
		}
	})

	t.Run("for a caller that gave up before, nothing is sent", func(t *testing.T) {
		t.Parallel()
		sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.PostMessage(ctx, slackapi.Post{Channel: sandbox.General, Text: text})
		failed(t, err, slackapi.Canceled, slackapi.CodeTimeout)
		if got := inChannel(t, sb, text); got != 0 {
			t.Errorf("%d messages in the channel, want none", got)
		}
	})
}

func TestSafeCallIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		fault   sandbox.Fault
		retries int
		want    []string
	}{
		{"500 twice", sandbox.Fault{Status: 500, Times: 2}, 3, []string{"unavailable", "unavailable", "ok"}},
		{"500 to the end", sandbox.Fault{Status: 500, Times: -1}, 3, []string{"unavailable", "unavailable", "unavailable"}},
		{"500 without repetition", sandbox.Fault{Status: 500}, 0, []string{"unavailable"}},
		{"a broken connection", sandbox.Fault{Drop: true}, 3, []string{"unavailable", "ok"}},
		{"Slack's internal_error", sandbox.Fault{Error: "internal_error"}, 3, []string{"unavailable", "ok"}},
		{"no answer", sandbox.Fault{Hang: true}, 3, []string{"unavailable", "ok"}},
		{"429", sandbox.Fault{RetryAfter: 1}, 3, []string{"rate_limited", "ok"}},
		{"429 without repetition", sandbox.Fault{RetryAfter: 1}, 0, []string{"rate_limited"}},
		{"a refusal", sandbox.Fault{Error: "channel_not_found"}, 3, []string{"not_found"}},
		{"an unknown code", sandbox.Fault{Error: "brand_new_error"}, 3, []string{"internal"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var seen calls
			sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{Retries: c.retries, OnCall: seen.add, AttemptTimeout: patience(c.fault)})
			succeed(t, sb.Inject(c.fault))
			_, err := client.History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General})
			if got := seen.of("conversations.history"); !slices.Equal(got, c.want) {
				t.Errorf("attempts %v, want %v", got, c.want)
			}
			if ok := c.want[len(c.want)-1] == "ok"; ok != (err == nil) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestReplyIsBounded(t *testing.T) {
	t.Parallel()
	_, client := workspace(t, sandbox.Options{}, slackapi.Options{MaxReplyBytes: 400})
	_, err := client.History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General})
	failed(t, err, slackapi.TooLarge, slackapi.CodeReplyTooLarge)
	_, err = client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: "said all the same"})
	failed(t, err, slackapi.Ambiguous, slackapi.CodeReplyTooLarge)
}

func TestUnknownContentIsNoError(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// An actions block with an element of a later day (slack-go refuses the whole
		// answer), a number for a string, an empty string for an object.
		_, _ = w.Write([]byte(`{"ok":true,"channel":"C1","ts":"1.2","message":{"text":"hi","ts":"1.2","edited":"","reply_count":"3",
			"blocks":[{"type":"actions","elements":[{"type":"hologram"}]}]}}`))
	}))
	t.Cleanup(server.Close)
	client, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, URL: server.URL + "/api/"})
	succeed(t, err)
	p := must(client.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "hi"}))(t)
	if p.TS != "1.2" || p.Message.Text != "hi" || !contains(string(p.Message.Blocks), "hologram") {
		t.Errorf("posted %+v", p)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	_, client := workspace(t, sandbox.Options{BotScopes: []string{"channels:read", "chat:write"}}, slackapi.Options{})
	_, err := client.History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General})
	e := failed(t, err, slackapi.MissingScope, "missing_scope")
	if e.Needed != "channels:history" || e.Provided != "channels:read,chat:write" || !contains(err.Error(), "needs channels:history") {
		t.Errorf("error %+v", e)
	}
	if who := must(client.AuthTest(t.Context()))(t); !slices.Equal(who.Scopes, []string{"channels:read", "chat:write"}) {
		t.Errorf("scopes %v", who.Scopes)
	}
}

func TestUserTokenIsNeeded(t *testing.T) {
	t.Parallel()
	_, client := workspace(t, sandbox.Options{}, slackapi.Options{BotToken: sandbox.DefaultBotToken})
	_, err := client.SearchMessages(t.Context(), slackapi.SearchQuery{Query: "lamp"})
	failed(t, err, slackapi.Auth, slackapi.CodeNoToken)
	if client.HasUserToken() {
		t.Error("HasUserToken without one")
	}
	_, err = client.AsUser().Download(t.Context(), "https://files.slack.com/x", 1)
	failed(t, err, slackapi.Auth, slackapi.CodeNoToken)
}

func TestArgumentsAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	var seen calls
	_, client := workspace(t, sandbox.Options{}, slackapi.Options{OnCall: seen.add})
	_, err := client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Blocks: []byte(`{"type":"section"}`)})
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
	_, err = client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Blocks: []byte(`[1]`)})
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
	_, err = client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: "x", Metadata: []byte(`[]`)})
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
	_, err = client.Upload(t.Context(), slackapi.Upload{Name: "empty.txt"})
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
	_, err = client.ConversationInfo(t.Context(), "")
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
	if len(seen.of("chat.postMessage")) != 0 {
		t.Error("a refused post was sent")
	}
}

func TestInvalidBlocksNameThePlaceAndNotTheText(t *testing.T) {
	t.Parallel()
	sb, client := workspace(t, sandbox.Options{}, slackapi.Options{})
	_ = sb
	blocks := make([]byte, 0, 4096)
	blocks = append(blocks, '[')
	for range 51 {
		blocks = append(blocks, `{"type":"divider"},`...)
	}
	blocks[len(blocks)-1] = ']'
	_, err := client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Blocks: blocks})
	if e := failed(t, err, slackapi.InvalidArgument, "invalid_blocks"); !slices.Equal(e.Pointers, []string{"/blocks"}) || !contains(err.Error(), "at /blocks") {
		t.Errorf("error %v with pointers %v", err, e.Pointers)
	}
}

// unreachable is the URL of a port on which no program listens.
func unreachable(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	succeed(t, err)
	succeed(t, ln.Close())
	return "http://" + ln.Addr().String()
}
