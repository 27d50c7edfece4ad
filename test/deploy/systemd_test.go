package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unitPath = "deploy/systemd/slack-webhook-server.service"

// installed copies the unit, with the binary where this machine has it.
func installed(t *testing.T) string {
	t.Helper()
	text := strings.Replace(string(read(t, unitPath)), "/usr/local/bin/slack-webhook-server --", binary+" --", 1)
	path := filepath.Join(t.TempDir(), "slack-webhook-server.service")
	write(t, path, text)
	return path
}

// mostExposed is where systemd's own judgement of the sandbox has to stay below, of 10.
const mostExposed = "16" // tenths

func TestSystemd(t *testing.T) {
	analyze := program(t, "systemd-analyze", "apt-get install systemd")
	unit := installed(t)
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), filepath.Base(unit)) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold="+mostExposed, "--no-pager", unit).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}

var (
	unitVariables = regexp.MustCompile(`(?m)^Environment=(.+)$`)
	credentials   = regexp.MustCompile(`(?m)^LoadCredential=([^:]+):(.+)$`)
	execStart     = regexp.MustCompile(`(?m)^ExecStart=\S+ (.+)$`)
)

// TestSystemdSettings starts the server as the unit does, with its credentials in a
// folder.
func TestSystemdSettings(t *testing.T) {
	text := string(read(t, unitPath))
	args := strings.Fields(execStart.FindStringSubmatch(text)[1])
	knowsFlags(t, "the unit", args)
	secrets, state, port := t.TempDir(), t.TempDir(), freePort(t)
	for _, m := range credentials.FindAllStringSubmatch(text, -1) {
		value := signingSecret
		if m[1] == "slack-bot-token" {
			value = "xoxb-1"
		}
		if err := os.WriteFile(filepath.Join(secrets, m[1]), []byte(value+"\n"), 0o400); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m[2], "/etc/slack-webhook-server/") {
			t.Errorf("credential %s comes from %s", m[1], m[2])
		}
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"SLACK_API_URL=http://127.0.0.1:1/"}
	for _, m := range unitVariables.FindAllStringSubmatch(text, -1) {
		for pair := range strings.FieldsSeq(m[1]) {
			name, value, _ := strings.Cut(pair, "=")
			knowsVariable(t, "the unit", name)
			value = strings.NewReplacer("%d", secrets, "%S", state, "3000", port).Replace(value)
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	start(t, cmd, "http://127.0.0.1:"+port)
	accepts(t, "http://127.0.0.1:"+port, "EvSYSTEMD")
	if found, _ := filepath.Glob(filepath.Join(state, "slack-webhook-server", "*.db")); len(found) == 0 {
		t.Error("the store is not in the state directory")
	}
}
