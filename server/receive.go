package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"slackmcp/config"
	"slackmcp/server/audit"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/slackapi/socketmode"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/refusals"
	"slackmcp/webhook/signature"
	"slackmcp/webhook/worker"
)

// otherSources gathers the senders beside Slack: those of the settings, and those of
// the sources file.
func otherSources(cfg config.Config) ([]webhook.Source, error) {
	if !cfg.Mode.Webhook() {
		return nil, nil
	}
	further, err := readSources(cfg, env(cfg))
	if problems := problemsOf("SOURCES_FILE", err); problems != nil {
		return nil, &config.Error{Problems: problems}
	}
	return withFurther(cfg, further), nil
}

// withFurther are the senders of the settings and those of the file, which replace those of their names.
func withFurther(cfg config.Config, further []webhook.Source) []webhook.Source {
	own := slices.DeleteFunc(sources(cfg.Senders), func(s webhook.Source) bool {
		return slices.ContainsFunc(further, func(f webhook.Source) bool { return f.Name == s.Name })
	})
	return append(own, further...)
}

// hasVariable reports whether a source is one of those that have a variable of their own. Without it
// they are served as before until a restart, since a variable is easily lost.
func hasVariable(source string) bool { return source == sourceContact || source == sourceStripe }

// newReceiver builds the webhook side's handler; nil for the mcp command, which has none.
func newReceiver(o Options, slack slackAccess, others []webhook.Source, store *watchedStore, ledger *gaps.Ledger, answers *webhook.Answers, h *hooks) (*webhook.Receiver, error) {
	cfg := o.Config
	if !cfg.Receives() {
		return nil, nil //nolint:nilnil // there is no receiver, and that is no error
	}
	warnings, err := sharedSecrets(signers(cfg, slack.signingSecrets, others))
	if err != nil {
		return nil, err
	}
	warnShared(o.Logger, warnings)
	rc, err := webhook.New(webhook.Options{
		Limiter:         limiter.New(limiter.Options{PerMinute: cfg.Receive.UnverifiedPerMinute, OnHeldBack: h.heldBack}),
		Address:         h.proxies.Client,
		MaxInFlight:     cfg.Receive.MaxInFlight,
		OnObserve:       h.received(ledger),
		Refusals:        h.refusals,
		OnVerified:      web.Hold,
		Publisher:       store,
		SlackSecrets:    slack.signingSecrets,
		Direct:          cfg.Slack.SocketMode,
		Sources:         others,
		PublicURL:       cfg.Listen.PublicURL,
		ReceiptSecrets:  one(cfg.Senders.Webhook),
		ReceiptOutput:   receiptOutput(o),
		ReceiptProvider: receiptProvider(cfg),
		Tolerance:       cfg.Receive.TimestampTolerance,
		MaxBodyBytes:    cfg.Receive.MaxBodyBytes,
		PublishTries:    max(cfg.Retry, 1), // 0 and 1 both mean one try
		Answers:         answers,
		Logger:          o.Logger,
	})
	if err != nil {
		return nil, err
	}
	h.metrics.Receive.Watch(rc)
	store.fit(rc.LongestBody())
	warnLong(o.Logger, cfg, rc.LongestBody(), debug.SetMemoryLimit(-1))
	return rc, nil
}

// bodiesThatFit is how many of the longest bodies the memory of the process has to hold: two that are read, one whose
// memory is copied as it grows, and what storing and showing one takes.
const bodiesThatFit = 8

// warnLong warns of a longest body for which most bytes are little, which are what the process may take, and of one that the
// store in memory cannot keep: such an event is answered 413.
func warnLong(log *slog.Logger, cfg config.Config, longest, most int64) {
	if most/bodiesThatFit < longest {
		log.Warn("a source may send bodies for which the process has little memory",
			slog.Int64("longest_bytes", longest), slog.Int64("memory_bytes", most),
			slog.String("remedy", "give the process, or its container, memory for "+strconv.Itoa(bodiesThatFit)+" of them, or lower max_body of the source"))
	}
	if cfg.Queue.Backend == config.Memory && longest > memory.DefaultMaxBytes {
		log.Warn("a source may send longer bodies than the store keeps; those are answered 413",
			slog.Int64("longest_bytes", longest), slog.Int64("store_bytes", memory.DefaultMaxBytes),
			slog.String("remedy", "choose another store by QUEUE_BACKEND_TYPE, or lower max_body of the source"))
	}
}

// heldBack logs, once for each time, an address that keeps failing verification at a route.
func (h *hooks) heldBack(p netip.Prefix, source string) {
	h.metrics.Receive.HeldBack()
	if !h.refusals.First(refusals.Kind{Client: p, Route: source, Outcome: string(audit.AddressHeldBack), Status: http.StatusTooManyRequests}) {
		return
	}
	attrs := []slog.Attr{
		slog.String("remote", p.String()), slog.String("source", source), slog.Int("per_minute", h.perMinute),
		slog.String("remedy", "if this is a proxy or balancer of yours, name it in TRUSTED_PROXIES, so that each client counts for itself"),
	}
	h.audit.Record(context.Background(), audit.Record{Event: audit.AddressHeldBack, Outcome: audit.Refused, Address: p.String(), Source: source})
	h.log.LogAttrs(context.Background(), slog.LevelWarn, "address keeps failing verification and is held back", attrs...)
}

// sourceNames are the sources of the events that this configuration receives.
func sourceNames(cfg config.Config, slack slackAccess, others []webhook.Source) []string {
	if !cfg.Mode.Webhook() {
		return nil
	}
	var names []string
	if len(slack.signingSecrets) > 0 || cfg.Slack.SocketMode {
		names = append(names, event.SourceSlack)
	}
	if cfg.Senders.Webhook.IsSet() {
		names = append(names, event.SourceReceipts)
	}
	for _, s := range others {
		names = append(names, s.Name)
	}
	return names
}

// The senders that have a variable of their own.
const (
	sourceContact = "contact_created"
	sourceStripe  = "payment_succeeded"
)

// sources are the senders that have a variable of their own; each is served when its
// secret is set.
func sources(s config.Senders) []webhook.Source {
	var list []webhook.Source
	for _, sender := range []struct {
		name   string
		secret config.Secret
		scheme signature.Scheme
	}{
		{sourceContact, s.Contact, signature.HexHeader("")},
		{sourceStripe, s.Stripe, signature.HexOrStripe},
	} {
		if sender.secret.IsSet() {
			list = append(list, webhook.Source{Name: sender.name, Secrets: one(sender.secret), Scheme: sender.scheme})
		}
	}
	return list
}

// receiptOutput is where receipts are printed; nil prints none.
func receiptOutput(o Options) io.Writer {
	if !o.Config.Senders.PrintReceipts {
		return nil
	}
	return o.Out
}

// receiptProvider is the provider of delivery receipts, "" for the documented sender.
func receiptProvider(cfg config.Config) string {
	if cfg.Senders.WebhookProvider == signature.Bearer.Name() {
		return ""
	}
	return cfg.Senders.WebhookProvider
}

// one is the list of a secret, empty when it is not set.
func one(s config.Secret) []string {
	if !s.IsSet() {
		return nil
	}
	return []string{s.Reveal()}
}

// newSocketMode lets Slack send over connections that this process opens, beside the routes
// or in their place.
func newSocketMode(cfg config.Config, access slackAccess, rc *webhook.Receiver, h *hooks) (*socketmode.Client, error) {
	if !cfg.Slack.SocketMode || rc == nil {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	slack, err := slackapi.New(slackapi.Options{AppToken: access.appToken, URL: access.url})
	if err != nil {
		return nil, fmt.Errorf("socket mode: %w", err)
	}
	c, err := socketmode.New(socketmode.Options{
		Open:        slack.OpenConnection,
		Permanent:   refusedToken,
		Wait:        askedToWait,
		Handle:      handleEnvelope(rc),
		Connections: cfg.Slack.SocketConnections,
		MaxBytes:    cfg.Receive.MaxBodyBytes,
		Logger:      h.log,
	})
	if err == nil {
		h.metrics.Slack.WatchSocket(c)
	}
	return c, err
}

// handleEnvelope gives each delivery the way of those that are posted.
func handleEnvelope(rc *webhook.Receiver) func(context.Context, socketmode.Envelope) (json.RawMessage, bool) {
	return func(ctx context.Context, e socketmode.Envelope) (json.RawMessage, bool) {
		answer, stored := rc.Deliver(ctx, webhook.Direct{
			Body:        e.Payload,
			Command:     e.Type == "slash_commands",
			Interactive: e.Type != "events_api",
			Retry:       event.Retry{Num: e.RetryAttempt, Reason: retryReason(e)},
			RequestID:   e.ID,
		})
		return answer, stored
	}
}

// retryReason keeps what Slack says in a few words; anything else stays out of logs and
// stores.
func retryReason(e socketmode.Envelope) string {
	switch {
	case e.RetryAttempt == 0:
		return ""
	case e.RetryReason == "timeout", e.RetryReason == "connection_failed":
		return e.RetryReason
	}
	return "unknown"
}

// refusedToken reports an error that waiting does not cure.
func refusedToken(err error) bool {
	fault, ok := errors.AsType[*slackapi.Error](err)
	return ok && (fault.Kind == slackapi.Auth || fault.Kind == slackapi.MissingScope || fault.Kind == slackapi.Forbidden)
}

// askedToWait is how long Slack asks to wait.
func askedToWait(err error) time.Duration {
	if fault, ok := errors.AsType[*slackapi.Error](err); ok {
		return fault.RetryAfter
	}
	return 0
}

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

// Answer lets fn say what Slack receives in the very answer to an interaction that a
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

// newMux builds the mux, which works nothing until a handler is registered; nil without a
// webhook side.
func newMux(cfg config.Config, h *hooks) *worker.Mux {
	if !cfg.Mode.Webhook() {
		return nil
	}
	return worker.New(worker.Options{
		Group: queue.Group{
			Workers: cfg.Worker.Workers, Drain: cfg.Drain,
			Policy: queue.Policy{MaxAttempts: cfg.Worker.MaxAttempts},
		},
		Logger:    h.log,
		OnEnter:   h.enterHandler(),
		OnHandled: h.handled,
	})
}
