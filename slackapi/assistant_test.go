package slackapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestWhatAPersonsTokenPostsIsMarked posts, schedules and changes in every way with the token of a person
// and with the bot's.
func TestWhatAPersonsTokenPostsIsMarked(t *testing.T) {
	t.Parallel()
	_, bot := workspace(t, sandbox.Options{Empty: true}, slackapi.Options{AssistantLine: true})
	blocks := json.RawMessage(`[{"type":"divider"}]`)
	for name, do := range map[string]func(*slackapi.Client) error{
		"text": func(c *slackapi.Client) error {
			_, err := c.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Text: "hello"})
			return err
		},
		"Markdown": func(c *slackapi.Client) error {
			_, err := c.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Markdown: "**hello**"})
			return err
		},
		"blocks": func(c *slackapi.Client) error {
			_, err := c.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Blocks: blocks, Metadata: json.RawMessage(`{"event_type":"another","event_payload":{}}`)})
			return err
		},
		"later": func(c *slackapi.Client) error {
			_, err := c.ScheduleMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Text: "hello"}, time.Now().Add(time.Hour))
			return err
		},
		"change": func(c *slackapi.Client) error {
			_, err := c.UpdateMessage(t.Context(), slackapi.Update{Channel: sandbox.Random, TS: "1.000001", Text: "hello", Attachments: json.RawMessage("[]")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := rehearsed(t, bot.AsUser(), do); !strings.Contains(got, slackapi.AssistantMark) || !strings.Contains(got, slackapi.AssistantLine) {
				t.Errorf("with a person's token: %s, want the mark and the line", got)
			}
			if got := rehearsed(t, bot, do); strings.Contains(got, slackapi.AssistantMark) || strings.Contains(got, slackapi.AssistantLine) {
				t.Errorf("with the bot's token: %s, want neither the mark nor the line", got)
			}
		})
	}
}

// rehearsed is the request of a call.
func rehearsed(t *testing.T, c *slackapi.Client, do func(*slackapi.Client) error) string {
	t.Helper()
	stage, requests := c.Rehearse()
	succeed(t, do(stage))
	raw, err := json.Marshal(requests())
	succeed(t, err)
	return string(raw)
}

// TestTheMarkArrives reads the events of what was posted with a person's token, and what the channel's
// history says of it.
func TestTheMarkArrives(t *testing.T) {
	t.Parallel()
	for name, unstamped := range map[string]bool{"with the app's name": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb, bot := workspace(t, sandbox.Options{Empty: true, Unstamped: unstamped, SocketMode: true}, slackapi.Options{})
			person := bot.AsUser()
			posted := must(person.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Text: "as the person"}))(t)
			typed := must(sb.PostAs("alice", "#random", "typed", sandbox.Saying{}))(t)
			must(person.UpdateMessage(t.Context(), slackapi.Update{Channel: sandbox.Random, TS: typed, Text: "changed by a tool"}))(t)
			succeed(t, sb.EditAs("alice", "#random", posted.TS, "changed by hand"))
			var marked []bool
			for _, d := range sb.Deliveries() {
				marked = append(marked, strings.Contains(string(d.Body), `"event_type":"`+slackapi.AssistantMark+`"`))
				if strings.Contains(string(d.Body), `"author":"assistant"`) {
					t.Error("an event shows what the metadata hold; Slack shows their type alone")
				}
				if stamped := strings.Contains(string(d.Body), `"app_id":"`+sandbox.AppID+`"`); d.Subtype == "" && stamped != (marked[len(marked)-1] && !unstamped) {
					t.Errorf("the app is named: %v, in %s", stamped, d.Body)
				}
			}
			if want := []bool{true, false, true, true}; !slices.Equal(marked, want) {
				t.Errorf("marked are %v, want %v", marked, want)
			}
			page := must(bot.History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.Random}))(t)
			if len(page.Messages) != 2 {
				t.Fatalf("history %v, want two messages", texts(page.Messages))
			}
			for _, m := range page.Messages {
				if !strings.Contains(string(m.Metadata), slackapi.AssistantMark) {
					t.Errorf("%q has lost its mark", m.Text)
				}
			}
			_, err := bot.UpdateMessage(t.Context(), slackapi.Update{Channel: sandbox.Random, TS: posted.TS, Text: "by the bot"})
			failed(t, err, slackapi.Forbidden, "cant_update_message")
		})
	}
}
