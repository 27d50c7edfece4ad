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
// events, and nothing promises them. Where a server runs it receives, and this process does not. Slack divides
// events among all connections of an app, and a server elsewhere with the same settings cannot be seen from
// here: so SOCKET_MODE is taken from the command line alone.
func beside(ctx context.Context, cfg config.Config, log *slog.Logger) (config.Config, error) {
	if cfg.Mode != config.ModeMCP || cfg.MCP.Transport != config.Stdio || cfg.Sandbox {
		return cfg, nil
	}
	there, err := answers(ctx, cfg)
	if there {
		return cfg.Following(false), nil
	}
	if err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "the server here cannot be asked for its events, and none are received in its place", slog.String("error", err.Error()),
			slog.String("remedy", "run this as the user of the server, or name another DATA_DIR"))
		cfg.Slack.SocketMode = false
	}
	if cfg.Slack.SocketMode && cfg.Origin("SOCKET_MODE").Kind != config.FromFlag {
		log.LogAttrs(ctx, slog.LevelWarn, "no events are received by Socket Mode: SOCKET_MODE is a server's here, and Slack would divide the events between that and this process",
			slog.String("remedy", "start the server with this DATA_DIR, whose events this process then shows; or, where no server runs at all, give this process --socket-mode on its command line"))
		cfg.Slack.SocketMode = false
	}
	switch {
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

// answers reports whether a server on this machine has the store that the configuration means. An error is that
// there is one which could not be asked.
func answers(ctx context.Context, cfg config.Config) (bool, error) {
	client, err := operate.Dial(ctx, operate.Path(cfg.Queue.DataDir))
	if errors.Is(err, operate.ErrNoServer) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer client.Close()
	return means(cfg, client.Hello()), nil
}
