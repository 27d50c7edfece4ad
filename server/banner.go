package server

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A banner is what a person is shown when the server has started.
type banner struct {
	version, mode string
	rows          [][2]string // what, where
	notes         []string
	mcpURL        string // empty without an MCP side
	token         string // shown to a person only
	tokenPath     string
}

// write prints the banner. reveal says that the reader may see the token: a terminal,
// or a sandbox, whose token opens nothing real.
func (b *banner) write(w io.Writer, reveal bool) error {
	var s strings.Builder
	fmt.Fprintf(&s, "slack-webhook-server %s, %s\n\n", b.version, b.mode)
	for _, r := range b.rows {
		fmt.Fprintf(&s, "  %-9s %s\n", r[0], r[1])
	}
	for _, n := range b.notes {
		fmt.Fprintf(&s, "  %-9s %s\n", "note", n)
	}
	if b.mcpURL != "" && reveal {
		snippet, err := b.snippet()
		if err != nil {
			return err
		}
		fmt.Fprintf(&s, "\nPaste this into your MCP client:\n\n%s\n", snippet)
	}
	s.WriteString("\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// snippet is the entry that MCP clients' configuration files have in common.
func (b *banner) snippet() (string, error) {
	type entry struct {
		Type    string            `json:"type"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers,omitempty"`
	}
	e := entry{Type: "http", URL: b.mcpURL}
	if b.token != "" {
		e.Headers = map[string]string{"Authorization": "Bearer " + b.token}
	}
	out, err := json.MarshalIndent(map[string]any{"mcpServers": map[string]entry{"slack": e}}, "", "  ")
	return string(out), err
}
