package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestAdminOverMCP: a token with the admin scope works the queue; the server's own token,
// which has every other scope, neither sees nor can call the tools for it.
func TestAdminOverMCP(t *testing.T) {
	t.Parallel()
	const admin = "0123456789abcdef-admin"
	env := []string{"QUEUE_BACKEND_TYPE=sqlite"}
	at := place{env: env, data: shortDir(t)}
	server := integrated(t, options{args: []string{"--toolsets", "all"}, env: append(env, "MCP_TOKENS=ops:read+events+admin:"+admin), data: at.data})
	for i := range 4 {
		server.post(message(fmt.Sprintf("EvADM%d", i), "C1", "gives up"))
	}
	_, end := at.consumer(t, "--group", "g", "--exec", "echo no such lamp; exit 65")
	at.settled(t, "g")
	end()

	tools := []string{
		"slack_admin_list_groups", "slack_admin_list_dead_letters", "slack_admin_redrive_dead_letters",
		"slack_admin_drop_dead_letters", "slack_admin_replay_events",
	}
	own := connect(t, server)
	listed := string(own.call("tools/list", nil))
	for _, name := range tools {
		if strings.Contains(listed, name) {
			t.Errorf("MCP_AUTH_TOKEN sees %s", name)
		}
		if _, err := own.try("tools/call", map[string]any{"name": name, "arguments": map[string]any{"group": "g", "all": true}}); err == nil {
			t.Errorf("MCP_AUTH_TOKEN calls %s", name)
		}
	}
	if g := at.conserved(t, 4).Groups[0]; g.DeadLetters != 4 {
		t.Fatalf("after calls without the scope: %+v, want the 4 dead letters untouched", g)
	}

	ops := connectAs(t, server, admin)
	listed = string(ops.call("tools/list", nil))
	for _, name := range tools {
		if !strings.Contains(listed, name) {
			t.Errorf("the admin does not see %s", name)
		}
	}
	type answer struct {
		Changed     int
		Complete    bool
		DeadLetters []struct{ Reason string } `json:"dead_letters"`
	}
	call := func(name string, args map[string]any) (out answer) {
		t.Helper()
		var res struct {
			IsError           bool            `json:"isError"`
			StructuredContent json.RawMessage `json:"structuredContent"`
		}
		raw := ops.call("tools/call", map[string]any{"name": name, "arguments": args})
		if err := json.Unmarshal(raw, &res); err != nil || res.IsError {
			t.Fatalf("%s: %s", name, raw)
		}
		if err := json.Unmarshal(res.StructuredContent, &out); err != nil {
			t.Fatalf("%s: %v in %s", name, err, raw)
		}
		return out
	}
	if out := call(tools[1], map[string]any{"group": "g"}); len(out.DeadLetters) != 4 || !strings.Contains(out.DeadLetters[0].Reason, "no such lamp") {
		t.Errorf("dead letters: %+v", out)
	}
	if out := call(tools[2], map[string]any{"group": "g", "event_ids": []string{"EvADM0"}}); out.Changed != 1 || !out.Complete {
		t.Errorf("redrive: %+v", out)
	}
	if out := call(tools[3], map[string]any{"group": "g", "channel": "C1", "dry_run": true}); out.Changed != 3 {
		t.Errorf("a rehearsed drop: %+v", out)
	}
	if out := call(tools[3], map[string]any{"group": "g", "all": true}); out.Changed != 3 {
		t.Errorf("drop: %+v", out)
	}
	if out := call(tools[4], map[string]any{"group": "g", "since": "1h"}); out.Changed != 4 {
		t.Errorf("replay: %+v", out)
	}
	if g := at.conserved(t, 4).Groups[0]; g.Waiting != 4 || g.DeadLetters != 0 {
		t.Errorf("in the end: %+v, want all 4 waiting", g)
	}
}
