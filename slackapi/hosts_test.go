package slackapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestTokenGoesToSlackAlone downloads over hosts and redirects, and looks at who was
// called with what.
func TestTokenGoesToSlackAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		url       string
		redirects map[string]string
		called    string // host and whether the token was shown, in order
		kind      slackapi.Kind
		code      string
	}{
		{"a file of Slack", "https://files.slack.com/f", nil, "files.slack.com:token", "", ""},
		{"a file of GovSlack", "https://files.slack-gov.com/f", nil, "files.slack-gov.com:token", "", ""},
		{"a public file", "https://slack-files.com/f", nil, "slack-files.com:none", "", ""},
		{"another host", "https://evil.example/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a host that ends alike", "https://notslack.com/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a host that begins alike", "https://slack.com.evil.example/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"Slack in the clear", "http://files.slack.com/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"Slack on another port", "https://files.slack.com:8443/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a user in the URL", "https://slack.com@evil.example/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a user at Slack", "https://a:b@files.slack.com/f", nil, "", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a redirect within Slack", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "https://files-origin.slack.com/g"}, "files.slack.com:token files-origin.slack.com:token", "", ""},
		{"a redirect to Slack's contents", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "https://a.slack-edge.com/g"}, "files.slack.com:token a.slack-edge.com:none", "", ""},
		{"a redirect away", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "https://evil.example/g"}, "files.slack.com:token", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a redirect into the clear", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "http://files.slack.com/g"}, "files.slack.com:token", slackapi.InvalidArgument, slackapi.CodeRefusedHost},
		{"a redirect to the sign-in", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "https://lamp.slack.com/?redir=%2Ff"}, "files.slack.com:token", slackapi.Forbidden, slackapi.CodeSignIn},
		{"a redirect to no URL", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "https://files.slack.com/%zz"}, "files.slack.com:token", slackapi.Internal, slackapi.CodeUnreadable},
		{"redirects without end", "https://files.slack.com/f", map[string]string{"https://files.slack.com/f": "/f"}, "files.slack.com:token files.slack.com:token files.slack.com:token files.slack.com:token", slackapi.Internal, slackapi.CodeTooManyRedirects},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var called []string
			client, err := slackapi.New(slackapi.Options{BotToken: "xoxb-1", Transport: wire(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				shown := "none"
				if r.Header.Get("Authorization") == "Bearer xoxb-1" {
					shown = "token"
				}
				called = append(called, r.URL.Host+":"+shown)
				if to := c.redirects[r.URL.String()]; to != "" {
					return answer(302, "", "Location", to), nil
				}
				return answer(200, "contents", "Content-Type", "text/plain"), nil
			})})
			succeed(t, err)
			got, err := client.Download(t.Context(), c.url, 100)
			if c.code != "" {
				failed(t, err, c.kind, c.code)
			} else if err != nil || string(got.Data) != "contents" || got.MediaType != "text/plain" {
				t.Errorf("download %q %v", got.Data, err)
			}
			if got := strings.Join(called, " "); got != c.called {
				t.Errorf("called %q, want %q", got, c.called)
			}
		})
	}
}

func TestRedirectOfTheAPIIsNotFollowed(t *testing.T) {
	t.Parallel()
	calls := 0
	client, err := slackapi.New(slackapi.Options{BotToken: "xoxb-1", Transport: wire(func(*http.Request) (*http.Response, error) {
		calls++
		return answer(307, "", "Location", "https://evil.example/api/auth.test"), nil
	})})
	succeed(t, err)
	_, err = client.AuthTest(t.Context())
	failed(t, err, slackapi.Internal, slackapi.CodeHTTPStatus)
	if calls != 1 {
		t.Errorf("%d requests, want 1", calls)
	}
}

func TestDownload(t *testing.T) {
	sb, client := workspace(t, sandbox.Options{}, slackapi.Options{Retries: 3})
	shared, _, err := sb.UploadAs("alice", "#general", "lamp.txt", []byte("0123456789"), "")
	succeed(t, err)
	hidden, _, err := sb.UploadAs("ines", "#salaries", "pay.csv", []byte("1,2"), "")
	succeed(t, err)
	f := must(client.FileInfo(t.Context(), shared))(t)

	t.Run("of exactly the limit is whole", func(t *testing.T) {
		got, err := client.Download(t.Context(), f.URLPrivateDownload, 10)
		if err != nil || string(got.Data) != "0123456789" {
			t.Errorf("download %q %v", got.Data, err)
		}
	})
	t.Run("beyond the limit is refused", func(t *testing.T) {
		_, err := client.Download(t.Context(), f.URLPrivate, 9)
		failed(t, err, slackapi.TooLarge, slackapi.CodeReplyTooLarge)
	})
	t.Run("without a limit is refused", func(t *testing.T) {
		_, err := client.Download(t.Context(), f.URLPrivate, 0)
		failed(t, err, slackapi.InvalidArgument, slackapi.CodeBadRequest)
	})
	t.Run("of a file that the bot may not read says why", func(t *testing.T) {
		other := f
		other.URLPrivate = strings.Replace(f.URLPrivate, shared, hidden, 1)
		for _, kind := range []string{"text/plain", "text/html"} {
			other.MimeType = kind
			_, err := client.FileHead(t.Context(), &other, 100)
			failed(t, err, slackapi.Forbidden, slackapi.CodeSignIn)
			_, err = client.FileContents(t.Context(), &other, 1000)
			failed(t, err, slackapi.Forbidden, slackapi.CodeSignIn)
			if !contains(err.Error(), "files:read") {
				t.Errorf("no remedy in %v", err)
			}
		}
	})
	t.Run("of a page is that page", func(t *testing.T) {
		const page = "\ufeff<!DOCTYPE html><title>Lamps</title>"
		id, _, err := sb.UploadAs("alice", "#general", "lamp.html", []byte(page), "")
		succeed(t, err)
		f := must(client.FileInfo(t.Context(), id))(t)
		if got := must(client.FileContents(t.Context(), &f, 1000))(t); string(got.Data) != page {
			t.Errorf("read %q", got.Data)
		}
		if got := must(client.FileHead(t.Context(), &f, 20))(t); string(got.Data) != page[:20] {
			t.Errorf("read %q", got.Data)
		}
	})
	t.Run("of the first bytes brings no others", func(t *testing.T) {
		for _, n := range []int64{1, 9, 10, 11} {
			got := must(client.FileHead(t.Context(), &f, n))(t)
			if want := "0123456789"[:min(n, 10)]; string(got.Data) != want || got.Total != 10 {
				t.Errorf("the first %d bytes are %q of %d", n, got.Data, got.Total)
			}
		}
	})
	t.Run("after a broken connection is tried again", func(t *testing.T) {
		succeed(t, sb.Inject(sandbox.Fault{Method: "files.download", Drop: true}))
		must(client.Download(t.Context(), f.URLPrivate, 10))(t)
	})
}

func TestUpload(t *testing.T) {
	sb, client := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{Retries: 3})
	u := slackapi.Upload{Name: "a.txt", Data: []byte("abc"), Channel: sandbox.General}

	t.Run("whose contents did not arrive brings them again", func(t *testing.T) {
		succeed(t, sb.Inject(sandbox.Fault{Method: "files.upload", Status: 500}))
		must(client.Upload(t.Context(), u))(t)
	})
	t.Run("whose sharing is in doubt is not shared twice", func(t *testing.T) {
		succeed(t, sb.Inject(sandbox.Fault{Method: "files.completeUploadExternal", Drop: true, AfterEffect: true}))
		_, err := client.Upload(t.Context(), u)
		failed(t, err, slackapi.Ambiguous, slackapi.CodeConnectionLost)
	})
	t.Run("to a channel that the bot is not in", func(t *testing.T) {
		u := u
		u.Channel = sandbox.Design
		_, err := client.Upload(t.Context(), u)
		failed(t, err, slackapi.NotInChannel, "not_in_channel")
	})
	if n := len(history(t, sb, sandbox.General)); n != 2 {
		t.Errorf("%d messages with files, want 2", n)
	}
}
