//go:build programs

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/internal/requires"
	mcpclients "slackmcp/test/mcp-clients"
)

// TestClientPrograms gives programs that people use as MCP clients what client-config prints for them, and
// nothing else: each connects and calls a tool. Those that are led by a model have one on the loopback, and so
// need no account.
func TestClientPrograms(t *testing.T) {
	bin := programs(t)
	p := start(t, options{args: []string{"--sandbox"}})
	model := fakeModel(t)
	codexModel := "model = \"fake\"\nmodel_provider = \"fake\"\n[model_providers.fake]\nname = \"fake\"\nwire_api = \"responses\"\nbase_url = \"" + model + "/v1\"\n"
	opencodeModel := `{"provider": {"fake": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "` + model + `/v1", "apiKey": "none"}, "models": {"fake": {"tool_call": true}}}}}`
	const ask = `"Which channels are there?" </dev/null`
	inspect := strings.TrimSpace(strings.TrimPrefix(clientConfig(t, p, "inspector"), "npx -y @modelcontextprotocol/"))
	inspect = strings.Replace(inspect, "inspector --cli", "mcp-inspector --cli", 1)
	for _, tc := range []struct {
		client, file, before string
		line, want           string
	}{
		{client: "claude-code", file: ".mcp.json", line: "claude mcp list", want: "slack: " + p.url + "/mcp (HTTP) - ✔ Connected"},
		{client: "claude-code", line: "claude mcp add --scope user --transport http slack " + p.url + "/mcp --header 'Authorization: Bearer ${SLACK_MCP_TOKEN}' && claude mcp list", want: "slack: " + p.url + "/mcp (HTTP) - ✔ Connected"},
		{client: "claude-code", file: ".mcp.json", line: "claude -p --allowedTools mcp__slack__slack_list_channels --output-format json " + ask, want: "C0GENERAL01"},
		{client: "codex", file: ".codex/config.toml", before: codexModel, line: `codex exec --skip-git-repo-check --json ` + ask, want: "C0GENERAL01"},
		{client: "gemini-cli", file: ".gemini/settings.json", line: "gemini mcp list", want: "- Connected"},
		{client: "gemini-cli", file: ".gemini/settings.json", line: "gemini --approval-mode yolo -m gemini-2.5-flash -p " + ask, want: "C0GENERAL01"},
		{client: "opencode", file: "opencode.json", line: "opencode mcp list", want: "connected"},
		{client: "opencode", file: "opencode.json", line: "opencode run -m fake/fake --format json " + ask, want: "C0GENERAL01"},
		{client: "mcporter", file: "config/mcporter.json", line: "mcporter call slack.slack_list_channels --output json", want: "C0GENERAL01"},
		{client: "inspector", line: inspect, want: "slack_post_message"},
		{client: "inspector", line: strings.Replace(inspect, "--method tools/list", "--method resources/read --uri slack://channels", 1), want: "C0GENERAL01"},
		{client: "inspector", line: strings.Replace(inspect, "--method tools/list", "--method tools/call --tool-name slack_list_channels", 1), want: "C0GENERAL01"},
	} {
		t.Run(tc.client, func(t *testing.T) {
			home := t.TempDir()
			// A person says once that the project's servers may be used.
			writeFile(t, filepath.Join(home, ".claude", "settings.json"), `{"enableAllProjectMcpServers": true}`)
			if tc.file != "" {
				text := tc.before + clientConfig(t, p, tc.client)
				if tc.client == "gemini-cli" { // It is merged into what the person has, who chose how to reach a model.
					text = strings.Replace(text, "{", `{"security": {"auth": {"selectedType": "gemini-api-key"}},`, 1)
				}
				writeFile(t, filepath.Join(home, tc.file), text)
			}
			cmd := exec.CommandContext(t.Context(), "timeout", "90", "sh", "-c", tc.line)
			cmd.Dir = home
			cmd.Env = []string{
				"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), tokenVariable + "=" + authToken, "GEMINI_CLI_TRUST_WORKSPACE=true",
				"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_TELEMETRY=1", "DISABLE_AUTOUPDATER=1", "ENABLE_TOOL_SEARCH=false", "MCP_CONNECTION_NONBLOCKING=false",
				"ANTHROPIC_BASE_URL=" + model, "ANTHROPIC_API_KEY=none", "GOOGLE_GEMINI_BASE_URL=" + model, "GEMINI_API_KEY=none",
				"OPENCODE_CONFIG_CONTENT=" + opencodeModel, "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_AUTOUPDATE=1",
			}
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%s: %v\n%s", tc.line, err, out)
			}
		})
	}
}

// programs is the folder of the programs, which make clients installs.
func programs(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(mcpclients.Dir(), "programs", "node_modules", ".bin")
	if _, err := os.Stat(filepath.Join(bin, "claude")); err != nil {
		requires.Missing(t, "the programs are not installed: make clients")
	}
	return bin
}

// writeFile writes a file and the folders that it is in.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
