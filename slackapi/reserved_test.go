package slackapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
)

func TestReservedIDsArePostedByQuestionsOnly(t *testing.T) {
	t.Parallel()
	c, err := slackapi.New(slackapi.Options{BotToken: "xoxb-1", URL: "http://127.0.0.1:1/api/"})
	if err != nil {
		t.Fatal(err)
	}
	dry, requests := c.Rehearse()
	const fine = `[{"type":"section","block_id":"mine","text":{"type":"mrkdwn","text":"slack_ask is a tool"},"accessory":{"type":"button","action_id":"my_slack_ask","value":"slack_ask:1"}}]`
	for name, blocks := range map[string]string{
		"block_id":              `[{"type":"divider","block_id":"slack_ask"}]`,
		"action_id":             `[{"type":"actions","elements":[{"type":"button","action_id":"slack_ask:0"}]}]`,
		"accessory":             `[{"type":"section","accessory":{"type":"button","action_id":"slack_ask:0"}}]`,
		"written twice, first":  `[{"type":"divider","block_id":"slack_ask","block_id":"x"}]`,
		"written twice, second": `[{"type":"divider","block_id":"x","block_id":"slack_ask"}]`,
		"escaped":               `[{"type":"divider","block\u005fid":"sl\u0061ck_ask"}]`,
		"other case":            `[{"type":"divider","Block_ID":" SLACK_ASK:1"}]`,
		"after other members":   `[{"type":"section","fields":[{"a":[1,{"b":null}]},true],"block_id":"slack_ask_question"}]`,
	} {
		raw := json.RawMessage(blocks)
		for how, err := range map[string]error{
			"post":     second(dry.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Blocks: raw})),
			"ephemera": second(dry.PostEphemeral(t.Context(), "U1", slackapi.Post{Channel: "C1", Blocks: raw})),
			"schedule": second(dry.ScheduleMessage(t.Context(), slackapi.Post{Channel: "C1", Blocks: raw}, time.Now().Add(time.Hour))),
			"update":   second(dry.UpdateMessage(t.Context(), slackapi.Update{Channel: "C1", TS: "1.1", Blocks: raw})),
			"respond":  dry.Respond(t.Context(), "https://hooks.slack.com/actions/T1/1/x", slackapi.Response{Blocks: raw}),
		} {
			fault, ok := errors.AsType[*slackapi.Error](err)
			if !ok || fault.Kind != slackapi.InvalidArgument || !strings.Contains(err.Error(), "slack_ask") {
				t.Errorf("%s by %s: %v, want it refused", name, how, err)
			}
		}
	}
	if sent := requests(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
	if _, err := dry.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Blocks: json.RawMessage(fine)}); err != nil {
		t.Errorf("ids of others: %v", err)
	}
	question := json.RawMessage(`[{"type":"divider","block_id":"slack_ask"}]`)
	if _, err := dry.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Blocks: question, Question: true}); err != nil {
		t.Errorf("a question: %v", err)
	}
}
