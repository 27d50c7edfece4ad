package e2e_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// runCommand runs a command of an operator beside a running server.
func runCommand(t *testing.T, data string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--no-env-file", "--data-dir", data)...)
	cmd.Env = []string{"HOME=" + data}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestSubscriptionsCommands: an operator sees a subscription without its secrets, pauses it,
// goes on, and ends it.
func TestSubscriptionsCommands(t *testing.T) {
	data := t.TempDir()
	p := pushing(t, options{data: data})
	s := newSubscriber(t, nil)
	p.must("events/subscribe", s.subscription())
	run := func(args ...string) string {
		t.Helper()
		out, err := runCommand(t, data, args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	var list struct {
		Subscriptions []struct{ ID, State, Principal, Callback string }
	}
	out := run("subscriptions", "list", "--output", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Subscriptions) != 1 {
		t.Fatalf("%v in %s", err, out)
	}
	one := list.Subscriptions[0]
	if one.State != "active" || one.Principal != "token:default" || strings.Contains(out, "k=9") || strings.Contains(out, "whsec_") {
		t.Errorf("listed %s", out)
	}
	if out := run("subscriptions", "list", "--output", "table"); !strings.Contains(out, "message.created") {
		t.Errorf("table %s", out)
	}
	run("subscriptions", "pause", one.ID[:10])
	if err := p.say(pushID(1), "hello"); err != nil {
		t.Fatal(err)
	}
	if out := run("subscriptions", "show", one.ID); !strings.Contains(out, `"paused"`) || len(s.got()) != 0 {
		t.Errorf("paused: %s, delivered %v", out, s.got())
	}
	run("subscriptions", "resume", one.ID)
	eventually(t, time.Minute, func() error { return s.lacks(1, 2) })
	run("subscriptions", "remove", one.ID, "--yes")
	eventually(t, time.Minute, func() error {
		if s.terminated() != 1 {
			return missing("the end")
		}
		return nil
	})
	if out, err := runCommand(t, data, "subscriptions", "show", one.ID); err == nil || !strings.Contains(out, "subscriptions list") {
		t.Errorf("shown again: %v %s", err, out)
	}
	p.stop()
	if out, err := runCommand(t, data, "subscriptions", "list"); err == nil || !strings.Contains(out, "start the server") {
		t.Errorf("without a server: %v %s", err, out)
	}
}
