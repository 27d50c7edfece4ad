package slackapi_test

import (
	"errors"
	"net/http"
	"testing"

	"slackmcp/slackapi"
)

// FuzzAnswer throws any bytes at the client as Slack's answer: it must not break, and
// what it returns is a success or an Error with a kind.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"ok":true,"messages":[{"ts":"1.2","text":"x","topic":"t","files":[{"id":"F1","size":"7"}]}],"has_more":true}`,
		`{"ok":true,"messages":{"a":1}}`, `{"ok":"yes"}`, `{"ok":false}`, `[]`, `null`, ``, `{"ok":false,"error":"ratelimited"}`,
		`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] x [json-pointer:/blocks/0]",3]}}`,
		`{"ok":true,"channel":{"id":1,"topic":"x","properties":[],"latest":""},"user":{"profile":[]},"ts":5}`,
	} {
		f.Add(200, []byte(seed))
	}
	f.Add(429, []byte("slow"))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c, err := slackapi.New(slackapi.Options{BotToken: "xoxb-1", Pace: 1e9, MaxReplyBytes: 1 << 16, Transport: wire(func(*http.Request) (*http.Response, error) {
			return answer(status, string(body)), nil
		})})
		succeed(t, err)
		for _, err := range []error{
			second(c.History(t.Context(), slackapi.HistoryQuery{Channel: "C1", Limit: 200})),
			second(c.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"})),
			second(c.ConversationInfo(t.Context(), "C1")), second(c.UserInfo(t.Context(), "U1")),
		} {
			if e, ok := errors.AsType[*slackapi.Error](err); err != nil && (!ok || e.Kind == "" || e.Code == "" || e.Method == "") {
				t.Errorf("error %#v", err)
			}
		}
	})
}
