package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"slackmcp/config"
)

const (
	// clientPatience bounds the wait for a client's first request.
	clientPatience = 5 * time.Second
	// maxFirstRequest bounds that request.
	maxFirstRequest = 1 << 20
	// notConfigured is the code of the error that the client is told, of those that JSON-RPC leaves to servers.
	notConfigured = -32000
)

// tellClient answers the first request of the client that has started this process with the error for which it
// cannot be served, and returns that error. Clients show their user the answer; many hide what stands on
// stderr. Where no client of stdio waits nothing is written.
func tellClient(ctx context.Context, w world, c config.Config, cause error) error {
	if !c.Mode.MCP() || c.MCP.Transport != config.Stdio || isTerminal(w.stdin) {
		return cause
	}
	asked := make(chan json.RawMessage, 1)
	go func() { asked <- firstRequest(w.stdin) }() // ends with the process, which ends soon
	select {
	case id := <-asked:
		if id == nil {
			return cause
		}
		answer, err := json.Marshal(map[string]any{
			"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": notConfigured, "message": cause.Error()},
		})
		if err == nil {
			_, err = fmt.Fprintf(c.Scrubbed(w.stdout), "%s\n", answer)
		}
		return errors.Join(cause, err)
	case <-time.After(clientPatience):
	case <-ctx.Done():
	}
	return cause
}

// firstRequest reads messages until one of them wants an answer, and returns its id; nil where none does.
func firstRequest(in io.Reader) json.RawMessage {
	lines := bufio.NewScanner(io.LimitReader(in, maxFirstRequest))
	lines.Buffer(nil, maxFirstRequest)
	for lines.Scan() {
		var m struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(lines.Bytes(), &m) == nil && m.Method != "" && len(m.ID) > 0 && string(m.ID) != "null" {
			return m.ID
		}
	}
	return nil
}
