package server_test

import (
	"errors"
	"strings"
	"testing"

	"slackmcp/config"
	"slackmcp/server"
)

// TestRulesOfWritingThatMatchNothing: the start is refused, and each rule is named with what to
// write instead.
func TestRulesOfWritingThatMatchNothing(t *testing.T) {
	t.Parallel()
	c := load(t, map[string]string{
		"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-1", "MCP_AUTH_TOKEN": "a-token-of-the-test",
		"CHANNELS_ALLOW": "GENERAL,#general,C0123456789,<#C0123456789>,https://x.slack.com/archives/C0123456789,ann@example.com,U0123456789",
		"CHANNELS_DENY":  "@ann,random",
	})
	problems := server.ValidateFiles(c)
	if len(problems) != 2 || problems[0].Setting != "CHANNELS_ALLOW" || !strings.Contains(problems[0].What, `"GENERAL"`) || !strings.Contains(problems[0].Remedy, "#general") ||
		problems[1].Setting != "CHANNELS_DENY" || !strings.Contains(problems[1].Remedy, "e-mail") {
		t.Errorf("problems %+v", problems)
	}
	_, err := server.New(t.Context(), server.Options{Config: c})
	if wrong, ok := errors.AsType[*config.Error](err); !ok || len(wrong.Problems) != 2 {
		t.Errorf("New: %v", err)
	}
}
