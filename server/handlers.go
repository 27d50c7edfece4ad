package server

import (
	"context"
	"errors"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/worker"
)

// errNoEvents says that a handler was registered where no events arrive.
var errNoEvents = errors.New("server: this configuration has no webhook side, so no event reaches a handler")

// On registers a handler for the received events that a pattern matches: a type
// (message), a type and subtype (message/channel_join), Slack's names of subscriptions
// (message.channels) or * for all. It is called before Run. A handler that returns an
// error, panics or takes longer than its deadline is tried again, up to MAX_ATTEMPTS
// times in all; then the event is a dead letter. Handlers share a consumer group unless
// worker.InGroup gives one its own.
func (s *Server) On(pattern string, fn worker.HandlerFunc, opts ...worker.Option) error {
	if s.mux == nil {
		return errNoEvents
	}
	return s.mux.On(pattern, fn, opts...)
}

// Answer lets fn say what Slack is told in the very answer to an interaction that a
// pattern matches: the options of a menu (block_suggestion), the errors of a view
// (view_submission), what a slash command shows at once (slash_command). The event is
// stored before fn is called and reaches the handlers of [Server.On] as well. See
// [webhook.AnswerFunc] for its deadline. Of several that match the first is asked.
func (s *Server) Answer(pattern string, fn webhook.AnswerFunc) error {
	if s.receiver == nil {
		return errNoEvents
	}
	return s.answers.On(pattern, fn)
}

// handlers builds the mux; it works nothing until somebody registers a handler.
func (b *builder) handlers(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	b.mux = worker.New(worker.Options{
		Group: queue.Group{
			Workers: b.cfg.Worker.Workers, Drain: b.cfg.Drain,
			Policy: queue.Policy{MaxAttempts: b.cfg.Worker.MaxAttempts},
		},
		Logger:    b.log,
		OnEnter:   b.enterHandler(),
		OnHandled: b.handled,
	})
	b.workers = append(b.workers, part{"handlers", func(ctx context.Context) error { return b.mux.Run(ctx, b.store) }})
	return nil
}
