package e2e_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
	"slackmcp/slackapi/sandbox"
	mcpclients "slackmcp/test/mcp-clients"
)

// tokenVariable is where client-config has clients find the token.
const tokenVariable = "SLACK_MCP_TOKEN"

// clientConfig is what the shipped command prints for a client of a server.
func clientConfig(t *testing.T, p *process, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"client-config", "--no-env-file", "--url", p.url + "/mcp"}, args...)...)
	cmd.Env = []string{"MCP_AUTH_TOKEN=" + authToken}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("client-config %v: %v\n%s", args, err, &said)
	}
	if strings.Contains(said.String(), authToken) {
		t.Errorf("client-config %v tells the token: %s", args, &said)
	}
	return out.String()
}

var toolsSeen = regexp.MustCompile(`(?m)^(19|[2-9]\d) tools$`)

// TestPythonClients lets Python's clients and frameworks connect over SSE and streamable HTTP, list,
// call, read, and follow a resource; and runs the program that client-config prints for each. Where a
// framework needs a model there is one on the loopback.
func TestPythonClients(t *testing.T) {
	t.Parallel()
	p := start(t, options{args: []string{"--sandbox"}})
	model := fakeModel(t)
	for name, list := range map[string]string{
		"python-sdk": mcpclients.PythonSDK2, "fastmcp": mcpclients.PythonSDK2, "openai-agents": mcpclients.PythonSDK2,
		"pydantic-ai": mcpclients.PythonSDK2, "langchain": mcpclients.PythonSDK1,
	} {
		env := []string{
			tokenVariable + "=" + authToken, "PYTHONWARNINGS=ignore", "OPENAI_API_KEY=none", "OPENAI_BASE_URL=" + model + "/v1",
			"OPENAI_AGENTS_DISABLE_TRACING=1", "LANGSMITH_TRACING=false",
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out := mcpclients.RunPython(t, list, env, "clients.py", name, p.url); strings.Count(out, "OK "+name) != 2 {
				t.Errorf("the script says %s", out)
			}
			program := filepath.Join(t.TempDir(), "program.py")
			if err := os.WriteFile(program, []byte(clientConfig(t, p, name)), 0o600); err != nil {
				t.Fatal(err)
			}
			out := mcpclients.RunPython(t, list, env, program)
			if !strings.Contains(out, "general") {
				t.Errorf("the printed program says %s", out)
			}
		})
	}
}

// TestClientConfig runs what client-config prints for mcp-remote, whose token stands in no argument,
// and for the AI SDK.
func TestClientConfig(t *testing.T) {
	t.Parallel()
	p := start(t, options{args: []string{"--sandbox"}})
	dir := mcpclients.Install(t, mcpclients.Dir())
	node := requires.Program(t, "node", "install Node 20 or newer")
	t.Run("mcp-remote", func(t *testing.T) {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), node, "stdio.mjs")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(clientConfig(t, p, "--show-token", "mcp-remote"))
		cmd.Env = append(os.Environ(), "SECRET="+authToken)
		if out, err := cmd.CombinedOutput(); err != nil || !toolsSeen.Match(out) {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("ai-sdk", func(t *testing.T) {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", clientConfig(t, p, "ai-sdk"))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), tokenVariable+"="+authToken)
		if out, err := cmd.CombinedOutput(); err != nil || !toolsSeen.Match(out) || !bytes.Contains(out, []byte("general")) {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("the token only where it was asked for", func(t *testing.T) {
		for line := range strings.Lines(commandHelp(t, "client-config")) {
			names, ok := strings.CutPrefix(line, "Clients: ")
			if !ok {
				continue
			}
			for name := range strings.SplitSeq(strings.TrimRight(names, ",\n"), ", ") {
				if out := clientConfig(t, p, name); strings.Contains(out, authToken) || !strings.Contains(out, p.url+"/mcp") {
					t.Errorf("%s: %s", name, out)
				}
			}
			return
		}
		t.Error("the help lists no clients")
	})
}

// commandHelp is the help of a command.
func commandHelp(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, command, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestPythonReceivers has Slack's own libraries of Python receive: slack_sdk's verifier judges what the
// command send posts, and Bolt's adapter takes the sandbox's events, commands and clicks, and answers
// in the workspace.
func TestPythonReceivers(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{})
	python := mcpclients.Python(t, mcpclients.PythonSDK2)
	cmd := exec.CommandContext(t.Context(), python, "bolt.py")
	cmd.Dir = mcpclients.Dir()
	cmd.Env = append(append(os.Environ(), w.env()...), "SLACK_SIGNING_SECRET="+signingSecret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &safeBuffer{}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	told := func(want string) string {
		t.Helper()
		select {
		case line, ok := <-lines:
			if !ok || !strings.HasPrefix(line, want) {
				t.Fatalf("it says %q, want %q\n%s", line, want, errs)
			}
			return strings.TrimSpace(strings.TrimPrefix(line, want))
		case <-time.After(30 * time.Second):
			t.Fatalf("it does not say %q\n%s", want, errs)
		}
		return ""
	}
	base := "http://127.0.0.1:" + told("listening ")

	sender := exec.CommandContext(t.Context(), binary, "send", "--no-env-file", "--url", base+"/verify", "--text", "héllo → all")
	sender.Env = []string{"SLACK_SIGNING_SECRET=" + signingSecret}
	if said, err := sender.CombinedOutput(); err != nil {
		t.Errorf("send: %v: %s", err, said)
	}
	told("verified True forged False")

	if err := w.SetRequestURL(t.Context(), base+"/slack/events"); err != nil {
		t.Fatalf("Bolt does not answer the challenge: %v\n%s", err, errs)
	}
	act := func(args ...string) {
		t.Helper()
		if said, err := exec.CommandContext(t.Context(), binary, append([]string{"sandbox", args[0], "--workspace", w.url}, args[1:]...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s\n%s", args, err, said, errs)
		}
	}
	act("say", "hello, Bolt")
	told("message hello, Bolt")
	told("replied True")
	w.SetInteractivityURL(base + "/slack/events")
	act("click", "Approve")
	told("action yes")
	act("command", "/deploy", "production")
	told("command production")
}
