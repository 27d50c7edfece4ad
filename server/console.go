package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/transport"
	"slackmcp/mcp/visibility"
	"slackmcp/server/audit"
	"slackmcp/server/console"
	"slackmcp/server/operate"
	"slackmcp/server/traces"
	"slackmcp/server/web"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/rule"
	"slackmcp/webhook/worker"
)

// minConsoleToken is the shortest ADMIN_TOKEN that opens the console.
const minConsoleToken = 16

// consoleOpen reports whether there is a console. There is none without a token, without events here, and on a main
// listener in front of which there may be a proxy, unless the operator has named its host.
func consoleOpen(cfg config.Config) bool {
	shared := cfg.Admin.Addr == "" && (cfg.Listen.PublicURL != "" || len(cfg.Listen.TrustedProxies) > 0)
	return len(cfg.Admin.Token.Reveal()) >= minConsoleToken && cfg.Mode.Webhook() && (!shared || len(cfg.Admin.ConsoleHosts) > 0)
}

// served is what the routes lead to; nil where there is no console.
func served(c *console.Console) web.Receiver {
	if c == nil {
		return nil
	}
	return c
}

// consoleURL is where a browser on this machine finds the console.
func (s *Server) consoleURL() string {
	if s.cfg.Admin.Addr == "" {
		return s.localURL() + console.Base
	}
	scheme := "http"
	if consoleHTTPS(s.cfg) {
		scheme = "https"
	}
	return scheme + "://" + reachable(s.cfg.Admin.Addr) + console.Base
}

// consoleToken is ADMIN_TOKEN as the console asks for it: none where it is too short to open it, which is logged.
func consoleToken(log *slog.Logger, cfg config.Config) string {
	token := cfg.Admin.Token.Reveal()
	if token != "" && len(token) < minConsoleToken {
		log.Warn("the console is closed: ADMIN_TOKEN is too short to open it", slog.Int("at_least", minConsoleToken), slog.String("remedy", "set a longer one, such as of: openssl rand -hex 32"))
		return ""
	}
	return token
}

// newConsole makes the operator's console; nil where there is none.
func newConsole(o Options, store *watchedStore, health *web.Health, keeper *gapKeeper, receiver *webhook.Receiver, a assistantSide, rules *rule.Runner, h *hooks) (*console.Console, error) {
	cfg := o.Config
	token := consoleToken(h.log, cfg)
	if !consoleOpen(cfg) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	c := console.Options{
		Token: token, Hosts: cfg.Admin.ConsoleHosts, HTTPS: consoleHTTPS(cfg),
		Store: store, Past: h.metrics.NewPast(), Settings: settings(cfg), Trace: traces.OfEvent, Redact: cfg.Redactor(), Logger: h.log,
		Health: func(ctx context.Context) web.Report { return reported(health.Report(ctx)) },
		Kept:   func(ctx context.Context) []console.Setting { return kept(ctx, cfg, store) },
		Client: func(r *http.Request) netip.Addr { return h.proxies.Client(r) },
		Subscriptions: func() (*notify.Notifier, error) {
			if a.mcp == nil || a.mcp.Webhooks() == nil {
				return nil, errors.New(subscriptionsUnavailable)
			}
			return a.mcp.Webhooks(), nil
		},
		OnChange: h.consoleChanged, OnSession: h.consoleSession,
	}
	if keeper != nil {
		c.Gaps = consoleGaps{keeper}
	}
	if receiver != nil {
		c.Rejected = receiver.Rejected
	}
	if cfg.Queue.Backend == config.SQLite {
		c.Backups = newConsoleBackups(cfg, store)
	}
	if rules != nil {
		c.Rules = func() []console.Rule { return rulesOf(rules) }
	}
	withAssistants(&c, store, a, h)
	made, err := console.New(c)
	if err == nil {
		h.console.Store(made)
	}
	return made, err
}

// withAssistants adds what is known of assistants, and of people.
func withAssistants(c *console.Options, store queue.Queue, a assistantSide, h *hooks) {
	if a.journal != nil {
		c.Watch = a.journal.Watch
	}
	if a.mcp != nil {
		c.Assistants = func() (transport.Stats, []transport.Held) {
			t := a.mcp.Transport()
			return t.Stats(), t.Held()
		}
		c.Told = func(e *event.Event) []mcp.Told { return a.mcp.Told(e) }
	}
	if a.people != nil {
		c.People = consolePeople{a.people, a.judge, store, h}
	}
}

// consoleHTTPS reports whether the listener of the console speaks HTTPS.
func consoleHTTPS(cfg config.Config) bool {
	return cfg.Listen.TLS() && (cfg.Admin.Addr == "" || !cfg.Admin.Loopback())
}

// reported is a report with what is wrong with the store among its problems.
func reported(r web.Report, err error) web.Report {
	if err != nil {
		r.Problems = append(r.Problems, web.Problem{
			What: "the store does not answer: " + err.Error(), Remedy: "see that its database or disk is there and has room; events are answered 503 meanwhile, and come again",
		})
	}
	return r
}

// settings are those in force, as the command check shows them.
func settings(cfg config.Config) []console.Setting {
	var list []console.Setting
	for _, s := range config.Settings() {
		list = append(list, console.Setting{Section: string(s.Section), Key: s.Key, Value: cfg.Shown(s.Key), Origin: cfg.Origin(s.Key).String(), Help: s.Help})
	}
	return list
}

// kept says what is kept, for how long, and how large it is.
func kept(ctx context.Context, cfg config.Config, store *watchedStore) []console.Setting {
	var list []console.Setting
	add := func(key, value string) { list = append(list, console.Setting{Key: key, Value: value}) }
	add("kept for", config.FormatDuration(cfg.Queue.RetentionAge))
	add("kept at most", fmt.Sprintf("%d events", cfg.Queue.RetentionCount))
	add("ids are remembered for", config.FormatDuration(cfg.Queue.DedupeTTL))
	stats, err := store.Stats(ctx)
	if err != nil {
		add("the store", "does not answer")
		return list
	}
	add("kept now", fmt.Sprintf("%d events of %d that were stored; retention removed %d", stats.Events, stats.Accepted, stats.Expired))
	add("ids remembered now", fmt.Sprint(stats.SeenIDs))
	if cfg.Queue.Backend == config.SQLite {
		add("files in DATA_DIR", config.FormatSize(sizeOf(cfg.Queue.DataDir)))
	}
	switch {
	case cfg.Queue.Backend != config.SQLite:
		add("backups", "those of the database, by its own tools (docs/operations.md)")
	case store.backups == nil:
		add("backups", "none are made by the server alone: BACKUPS is not set")
	default:
		add("backups", cfg.Queue.Backups.String())
		if p := store.backups.problem(); p.What != "" {
			add("the last backup failed", p.What)
		}
	}
	return list
}

// sizeOf adds up the files of a folder; those that cannot be read are left out.
func sizeOf(dir string) (total int64) {
	_ = filepath.WalkDir(filepath.Clean(dir), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// rulesOf lists the rules in force.
func rulesOf(rules *rule.Runner) []console.Rule {
	since := map[string]time.Time{}
	for _, r := range rules.Refusing() {
		since[r.Rule] = r.Since
	}
	var list []console.Rule
	for _, r := range rules.Rules() {
		list = append(list, console.Rule{Name: r.Name(), Does: r.Action(), Group: r.Group(), Refusing: since[r.Name()]})
	}
	return list
}

// consoleGaps are the gaps, as `events gaps` works on them.
type consoleGaps struct{ keeper *gapKeeper }

func (g consoleGaps) List(ctx context.Context) ([]gaps.Gap, error) { return g.keeper.ledger.List(ctx) }

func (g consoleGaps) Fill(ctx context.Context, id string, send func(gaps.Gap) error) error {
	return g.keeper.fill(ctx, id, send)
}

// consolePeople are those who have signed in, as `people` works on them.
type consolePeople struct {
	side  *signInSide
	judge *visibility.Judge
	store queue.Queue
	hooks *hooks
}

func (p consolePeople) Explain(ctx context.Context, person, source, id string) (visibility.Explanation, error) {
	if p.judge == nil {
		return visibility.Explanation{}, errors.New(noJudge)
	}
	x, err := p.side.explain(ctx, p.judge, p.store, explain{Who: person, ID: id, Source: source})
	return x.Explanation, err
}

func (p consolePeople) List(ctx context.Context, fn func(operate.Person) error) error {
	return p.side.list(ctx, fn)
}

func (p consolePeople) Show(ctx context.Context, who string) (operate.PersonDetail, error) {
	found, err := p.side.find(ctx, who)
	if err != nil {
		return operate.PersonDetail{}, err
	}
	return p.side.show(ctx, found, p.judge)
}

func (p consolePeople) SignOut(ctx context.Context, what string) (operate.SignedOut, error) {
	out, err := p.side.signOut(ctx, what)
	p.hooks.signedOut(ctx, out)
	return out, err
}

// consoleChanged records what the console changed.
func (h *hooks) consoleChanged(ctx context.Context, c console.Change) {
	r := audit.Record{
		Event: audit.Operation, Outcome: audit.OK, Operation: c.Operation, Target: c.Target, Count: c.Count,
		Principal: c.Who, Address: c.Address, RequestID: c.RequestID,
	}
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("what", c.Operation), slog.String("target", c.Target), slog.Int("count", c.Count), slog.String("by", c.Who),
	}
	if c.Err != nil {
		r.Outcome, r.Reason = audit.Failed, "error"
		level, attrs = slog.LevelWarn, append(attrs, slog.Any("error", c.Err))
	}
	h.audit.Record(ctx, r)
	h.log.LogAttrs(ctx, level, "operator", attrs...)
}

// consoleSession records who opens the console, and who was refused.
func (h *hooks) consoleSession(ctx context.Context, s console.Session) {
	r := audit.Record{Event: audit.ConsoleSession, Outcome: audit.OK, Reason: s.Reason, Principal: s.Who, Address: s.Address, RequestID: s.RequestID}
	level := slog.LevelInfo
	if s.Refused {
		r.Outcome, level = audit.Refused, slog.LevelWarn
	}
	h.audit.Record(ctx, r)
	h.log.LogAttrs(ctx, level, "console", slog.String("session", s.Who), slog.String("reason", s.Reason), slog.String("remote", s.Address), slog.String("request_id", s.RequestID))
}

// tried lets the console remember an attempt.
func (h *hooks) tried(a console.Attempt, err error) {
	c := h.console.Load()
	if c == nil {
		return
	}
	a.At, a.Outcome = time.Now(), outcomeOf(a.Outcome, err)
	if err != nil {
		a.Why = err.Error()
	}
	c.Tried(a)
}

// outcomeOf is the word for how an attempt ended.
func outcomeOf(word string, err error) string {
	_, postponed := queue.Postponed(err)
	switch {
	case word != "":
		return word
	case err == nil:
		return "done"
	case postponed:
		return "postponed"
	case queue.IsPermanent(err):
		return "given up"
	}
	return "failed"
}

// attemptOf is an attempt of a group.
func attemptOf(o worker.Observation) console.Attempt {
	return console.Attempt{By: o.Group, Source: o.Source, ID: o.ID, Number: o.Attempt, Took: o.Duration}
}

// pushed is called after each attempt to post to a subscriber.
func (h *hooks) pushed(o notify.Observation) {
	h.metrics.Push.Observe(o)
	h.tried(console.Attempt{By: o.Subscription, ID: o.Event, Outcome: o.Outcome, Why: o.Why, Took: o.Duration}, nil)
}
