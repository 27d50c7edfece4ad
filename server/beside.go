package server

import (
	"context"
	"errors"
	"log/slog"

	"slackmcp/config"
	"slackmcp/server/operate"
)

// beside finds out where a process of stdio has its events from: the server that runs on this machine with
// the same DATA_DIR, else Socket Mode, Redis or NATS where they are set. Without any of them there are no
// events, and nothing promises them. Where a server runs it receives, and this process does not.
func beside(ctx context.Context, cfg config.Config, log *slog.Logger) (config.Config, error) {
	if cfg.Mode != config.ModeMCP || cfg.MCP.Transport != config.Stdio || cfg.Sandbox {
		return cfg, nil
	}
	switch {
	case answers(ctx, cfg, log):
		return cfg.Following(false), nil
	case cfg.Slack.SocketMode && !cfg.Slack.AppToken.IsSet():
		return cfg, &config.Error{Problems: []config.Problem{{
			Setting: "SLACK_APP_TOKEN", What: "is missing, and --socket-mode needs it, because no server answers here that receives",
			Remedy: "start the server, whose events this process then shows, or make one at api.slack.com/apps, your app, Basic Information, App-Level Tokens, with the scope connections:write",
		}}}
	case cfg.Slack.SocketMode, !cfg.Queue.Backend.Embedded():
		return cfg.Following(cfg.Slack.SocketMode), nil
	}
	return cfg, nil
}

// answers reports whether a server on this machine has the store that the configuration means.
func answers(ctx context.Context, cfg config.Config, log *slog.Logger) bool {
	client, err := operate.Dial(ctx, operate.Path(cfg.Queue.DataDir))
	if err != nil {
		if !errors.Is(err, operate.ErrNoServer) {
			log.LogAttrs(ctx, slog.LevelWarn, "the server here cannot be asked for its events", slog.String("error", err.Error()),
				slog.String("remedy", "run this as the user of the server, or name another DATA_DIR"))
		}
		return false
	}
	defer client.Close()
	return means(cfg, client.Hello())
}
