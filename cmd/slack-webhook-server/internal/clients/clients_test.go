package clients_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"slackmcp/cmd/slack-webhook-server/internal/clients"
)

// TestVersions: the versions of the page are those that the tests install.
func TestVersions(t *testing.T) {
	t.Parallel()
	var locked strings.Builder
	for _, name := range []string{"requirements.txt", "requirements-v1.txt", "package.json", "programs/package.json"} {
		b, err := os.ReadFile("../../../../test/mcp-clients/" + name)
		if err != nil {
			t.Fatal(err)
		}
		locked.Write(b)
	}
	packages := map[string]string{
		"claude-code": "@anthropic-ai/claude-code", "codex": "@openai/codex", "gemini-cli": "@google/gemini-cli", "opencode": "opencode-ai",
		"inspector": "@modelcontextprotocol/inspector", "mcporter": "mcporter", "mcp-remote": "mcp-remote", "ai-sdk": "@ai-sdk/mcp",
		"python-sdk": "mcp", "fastmcp": "fastmcp", "openai-agents": "openai-agents", "langchain": "langchain-mcp-adapters", "pydantic-ai": "pydantic-ai-slim",
	}
	for _, c := range clients.All() {
		name, tried := packages[c.Name]
		if tried != (c.Version != "") || tried != (c.Seen != "") {
			t.Errorf("%s: version %q, seen by %q, tried %v", c.Name, c.Version, c.Seen, tried)
		}
		if !tried {
			for _, cell := range []clients.Cell{c.Tools, c.Resources, c.Updates, c.Events, c.SignIn} {
				if cell == clients.Seen {
					t.Errorf("%s was seen by no test", c.Name)
				}
			}
			continue
		}
		pin := regexp.MustCompile(`(?m)(^|")` + regexp.QuoteMeta(name) + `(==|": ")` + regexp.QuoteMeta(c.Version) + `( |")`)
		if !pin.MatchString(locked.String()) {
			t.Errorf("%s: %s %s is installed by no test", c.Name, name, c.Version)
		}
	}
}

// TestTexts: each text is for the address that it was asked for, and whole.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, c := range clients.All() {
		for _, s := range []clients.Server{
			{URL: "https://slack.example.com/mcp", Token: true},
			{URL: "http://slack.example.com/mcp", Token: true, Secret: "mcp_secret"},
			{URL: "https://slack.example.com/mcp"},
		} {
			text := c.Text(s)
			if strings.HasPrefix(text, "{") && !json.Valid([]byte(text)) {
				t.Errorf("%s: no JSON: %s", c.Name, text)
			}
			if !strings.Contains(text, s.URL) {
				t.Errorf("%s does not name the address: %s", c.Name, text)
			}
			if mentions := strings.Contains(text, "Authorization") || strings.Contains(text, "TOKEN"); mentions != (s.Token && !c.SignInOnly) {
				t.Errorf("%s: a token is asked for: %v\n%s", c.Name, mentions, text)
			}
			if shown := strings.Contains(text, "mcp_secret"); shown != (c.Literal && s.Secret != "") {
				t.Errorf("%s shows the token: %v", c.Name, shown)
			}
			if steps := c.Steps(s, "cat '/token'"); strings.Contains(steps, "mcp_secret") || s.Token && strings.HasPrefix(s.URL, "http://") && !strings.Contains(steps, "Note: ") {
				t.Errorf("%s: %s", c.Name, steps)
			}
		}
	}
}
