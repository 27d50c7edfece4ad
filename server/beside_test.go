package server

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/server/operate"
)

// TestStdioReceivesOnlyWhenTold opens no connection of Socket Mode in a process of stdio because of a .env file that
// it shares with a server, nor where a server is there that cannot be asked; it does when its command line says so.
func TestStdioReceivesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		flag, env, broken bool
		redis             bool
		receives, events  bool
		said              string
	}{
		"neither":                  {},
		"the flag":                 {flag: true, receives: true, events: true},
		"a shared .env":            {env: true, said: "--socket-mode on its command line"},
		"a shared .env, and Redis": {env: true, redis: true, events: true, said: "--socket-mode on its command line"},
		"asked in vain":            {flag: true, broken: true, said: "run this as the user of the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "b") //nolint:usetesting // TempDir holds the test's name, which is too long
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if tc.broken {
				answerWrong(t, operate.Path(dir))
			}
			vars := map[string]string{"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "DATA_DIR": dir}
			if tc.env {
				vars["SOCKET_MODE"] = "true"
			}
			if tc.redis {
				vars["QUEUE_BACKEND"], vars["REDIS_URL"] = "redis", "redis://127.0.0.1:1"
			}
			src := config.Sources{
				Command:   config.CommandMCP,
				LookupEnv: func(k string) (string, bool) { v, ok := vars[k]; return v, ok },
				Flags:     map[string]config.Flag{"MCP_TRANSPORT": {Name: "--transport", Value: "stdio"}},
			}
			if tc.flag {
				src.Flags["SOCKET_MODE"] = config.Flag{Name: "--socket-mode", Value: "true"}
			}
			cfg, err := config.Load(src)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			cfg, err = beside(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil || cfg.Receives() != tc.receives || cfg.Events() != tc.events {
				t.Errorf("it receives: %v, and has events: %v, %v, want %v and %v", cfg.Receives(), cfg.Events(), err, tc.receives, tc.events)
			}
			if said := log.String(); !strings.Contains(said, tc.said) || (said == "") != (tc.said == "") {
				t.Errorf("the log says %q, want %q", said, tc.said)
			}
		})
	}
}

// answerWrong has something listen where a server of the directory would, which is none.
func answerWrong(t *testing.T, path string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }()
}
