package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// TestTheExampleOfACallback runs the receiver of docs/callbacks.md: it is challenged, subscribed, and
// told of a message.
func TestTheExampleOfACallback(t *testing.T) {
	python := requires.Program(t, "python3", "apt-get install python3")
	p := pushing(t, options{})
	port := freePort(t)
	receiver := exec.CommandContext(t.Context(), python, "../../examples/callback/receiver.py")
	receiver.Env = append(os.Environ(), "MCP_URL="+p.url+"/mcp", "MCP_TOKEN="+authToken, "CHANNEL="+pushChannel, "PORT="+port, "CALLBACK_URL=http://127.0.0.1:"+port+"/events")
	said := &safeBuffer{}
	receiver.Stdout, receiver.Stderr = said, said
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = receiver.Process.Kill(); _ = receiver.Wait() })
	eventually(t, 20*time.Second, func() error { return says(said, "subscribed sub_") })
	if err := p.say("EvEXAMPLE1", "hello, receiver"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error { return says(said, "message.created EvEXAMPLE1 ") })
	if text := said.String(); !strings.Contains(text, `"hello, receiver"`) {
		t.Errorf("the receiver says %s", text)
	}
}

// says returns an error with what was said, where a text is not in it.
func says(b *safeBuffer, text string) error {
	if said := b.String(); !strings.Contains(said, text) {
		return fmt.Errorf("it does not say %q, but %s", text, said)
	}
	return nil
}
