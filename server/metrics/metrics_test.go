package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
	"slackmcp/server/audit"
	"slackmcp/server/metrics"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/worker"
)

func newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{Version: "v1.2.3", Sources: []string{"slack", "contact_created"}, Tools: []string{"slack_post_message"}})
}

// scrape asks for the metrics as Prometheus does.
func scrape(t testing.TB, m *metrics.Metrics) (map[string]*dto.MetricFamily, string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	text := w.Body.String()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return found, text
}

// value is that of the series with these labels, as name=value pairs.
func value(t testing.TB, found map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, s := range found[metrics.Prefix+name].GetMetric() {
		have := map[string]string{}
		for _, l := range s.GetLabel() {
			have[l.GetName()+"="+l.GetValue()] = ""
		}
		matched := true
		for _, l := range labels {
			_, ok := have[l]
			matched = matched && ok
		}
		if matched && len(have) == len(labels) {
			return s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("there is no %s%v", name, labels)
	return 0
}

func accepted() *webhook.Observation {
	return &webhook.Observation{
		Source: "slack", Outcome: webhook.Accepted, Status: 200, Kind: event.Kind{Type: "message"}, ID: "Ev1",
		Bytes: 1000, Secret: 1, Skew: 2 * time.Second, Tries: 1, Publish: time.Millisecond, Duration: 2 * time.Millisecond,
	}
}

func TestDeliveriesAreCounted(t *testing.T) {
	m := newMetrics()
	m.Receive.Observe(accepted())
	again := accepted()
	again.Outcome, again.Retry, again.Secret = webhook.Duplicate, event.Retry{Num: 2, Reason: "http_timeout"}, 2
	m.Receive.Observe(again)
	limited := accepted()
	limited.Kind.Type = "app_rate_limited"
	m.Receive.Observe(limited)
	full := accepted()
	full.Outcome, full.Status, full.Tries = webhook.Full, 503, 3
	m.Receive.Observe(full)
	m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.BadSignature, Reason: "mismatch", Status: 401})
	m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.BadSignature, Reason: "missing", Status: 401})
	m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.Stale, Status: 401})
	m.Receive.Observe(&webhook.Observation{Outcome: webhook.Unregistered, Status: 404})
	m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.Limited, Status: 429})
	for range 2 {
		m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.Limited, Status: 429, Claimed: true})
	}

	found, _ := scrape(t, m)
	for _, want := range []struct {
		value  float64
		name   string
		labels []string
	}{
		{2, "deliveries_total", []string{"source=slack", "outcome=accepted"}},
		{1, "deliveries_total", []string{"source=slack", "outcome=duplicate"}},
		{0, "deliveries_total", []string{"source=contact_created", "outcome=accepted"}},
		{1, "deliveries_total", []string{"source=none", "outcome=unregistered"}},
		{1, "verification_failures_total", []string{"source=slack", "reason=mismatch"}},
		{1, "verification_failures_total", []string{"source=slack", "reason=missing"}},
		{1, "verification_failures_total", []string{"source=slack", "reason=stale"}},
		{1, "verified_total", []string{"source=slack", "secret=2"}},
		{1, "slack_retries_total", []string{"number=2", "reason=http_timeout"}},
		{1, "slack_rate_limited_notices_total", nil},
		{1, "publish_errors_total", []string{"reason=full"}},
		{2, "publish_retries_total", nil},
		{4, "ack_duration_seconds", []string{"source=slack"}},
		{4000, "delivery_bytes_total", []string{"source=slack"}},
		{2, "clock_skew_seconds", []string{"source=slack"}},
		// Four verified, two whose signature did not match or was stale, and two that were refused
		// unread and may be Slack's; five failed.
		{8, "slack_deliveries_last_hour", nil},
		{0.625, "slack_failure_ratio", nil},
	} {
		if got := value(t, found, want.name, want.labels...); got != want.value {
			t.Errorf("%s%v is %v, want %v", want.name, want.labels, got, want.value)
		}
	}
}

// TestSendersComeAndGo counts a sender that comes while the server runs, shows nothing of one that is
// gone, and keeps within the bound however many have come and gone.
func TestSendersComeAndGo(t *testing.T) {
	m, shop := newMetrics(), accepted()
	shop.Source = "shop"
	m.Receive.Observe(shop)
	m.Receive.Replace([]string{"shop"}, nil)
	m.Receive.Observe(shop)
	found, _ := scrape(t, m)
	for source, want := range map[string]float64{"shop": 1, metrics.Other: 1, "slack": 0} {
		if got := value(t, found, "deliveries_total", "source="+source, "outcome=accepted"); got != want {
			t.Errorf("%s has %v deliveries, want %v", source, got, want)
		}
	}
	last := "shop"
	for i := range 1500 {
		next := fmt.Sprint("sender-", i)
		m.Receive.Replace([]string{next}, []string{last})
		last = next
	}
	shop.Source = last
	m.Receive.Observe(shop)
	found, text := scrape(t, m)
	if got := value(t, found, "deliveries_total", "source="+last, "outcome=accepted"); got != 1 {
		t.Errorf("the last sender has %v deliveries, want 1", got)
	}
	if strings.Contains(text, `"shop"`) || strings.Contains(text, `"sender-7"`) {
		t.Error("a sender is shown that is gone")
	}
	if n := len(found[metrics.Prefix+"ack_duration_seconds"].GetMetric()); n != 4 {
		t.Errorf("%d senders are shown, want slack, contact_created, the last one and other", n)
	}
}

// TestObserveAllocatesNothing holds what the receive path may pay for being counted.
func TestObserveAllocatesNothing(t *testing.T) {
	m := newMetrics()
	for name, o := range map[string]*webhook.Observation{
		"accepted": accepted(),
		"retry": func() *webhook.Observation {
			o := accepted()
			o.Retry = event.Retry{Num: 9, Reason: "http_error"}
			return o
		}(),
		"refused": {Source: "slack", Outcome: webhook.BadSignature, Reason: "missing", Status: 401},
		"nobody":  {Outcome: webhook.Unregistered, Status: 404},
	} {
		if n := testing.AllocsPerRun(1000, func() { m.Receive.Observe(o) }); n != 0 {
			t.Errorf("%s: %v allocations for each delivery, want none", name, n)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	m, o := newMetrics(), accepted()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Receive.Observe(o)
		}
	})
}

// TestHostileLabels feeds everything that reaches a label with what an attacker, or a
// mistaken operator, might send: the series stay few and the output well-formed.
func TestHostileLabels(t *testing.T) {
	m := newMetrics()
	hostile := []string{"", "\n", "a\"b\\c\n# TYPE x counter", "\xff\xfe", strings.Repeat("x", 10_000), "x\x00y", "{}", "xoxb-1-secret token", "älter"}
	for i := range 3000 {
		h := hostile[i%len(hostile)] + fmt.Sprint(i)
		if i%10 == 0 {
			h = hostile[i%len(hostile)]
		}
		o := accepted()
		o.Source, o.Reason, o.Kind.Type, o.ID, o.Retry = h, h, h, h, event.Retry{Num: i, Reason: h}
		m.Receive.Observe(o)
		o.Source, o.Outcome = "slack", webhook.BadSignature
		m.Receive.Observe(o)
		m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.BadSignature, Reason: h})
		m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.Outcome(h), Reason: h})
		m.Handlers.Observe(worker.Observation{Group: h, Pattern: h, Err: errors.New(h)})
		m.Slack.Observe(slackapi.CallInfo{Method: h, Outcome: h, Duration: 1, Waited: 1})
		m.MCP.Called(toolset.Outcome{Tool: h, Principal: h, Err: errors.New(h)})
		m.MCP.Unauthorized(h)
	}
	groups := make([]queue.GroupStats, 0, 1000)
	for i := range 1000 {
		groups = append(groups, queue.GroupStats{Name: fmt.Sprint(hostile[i%len(hostile)], i), Waiting: 1})
	}
	m.Store.Watch(stats{s: queue.Stats{Backend: hostile[2], Groups: groups}})

	found, text := scrape(t, m)
	for name, f := range found {
		if !strings.HasPrefix(name, metrics.Prefix) {
			continue
		}
		// The most that was declared: 128 methods and "other", times a few outcomes.
		if n := len(f.GetMetric()); n > 300 {
			t.Errorf("%s has %d series", name, n)
		}
	}
	waiting := 0.0
	for _, s := range found[metrics.Prefix+"queue_waiting_events"].GetMetric() {
		waiting += s.GetGauge().GetValue()
	}
	if waiting != 1000 {
		t.Errorf("the groups beyond the bound do not add up: %v events wait, want 1000", waiting)
	}
	for _, s := range []string{"xoxb-", "# TYPE x", strings.Repeat("x", 100)} {
		if strings.Contains(text, s) {
			t.Errorf("the metrics show %.20q", s)
		}
	}
}

type stats struct {
	s   queue.Stats
	err error
}

func (s stats) Stats(context.Context) (queue.Stats, error) { return s.s, s.err }

func TestAStoreThatIsAway(t *testing.T) {
	m := newMetrics()
	m.Store.Watch(stats{err: errors.New("dial redis://user:password@host")})
	found, text := scrape(t, m)
	if value(t, found, "queue_up") != 0 || strings.Contains(text, "password") || found[metrics.Prefix+"queue_events"] != nil {
		t.Error("the metrics do not say plainly that the store is away")
	}
}

// TestRefusalsForABound: what tools and readers refuse is counted by what it was and whose bound it is,
// and damage is told also while the store is away.
func TestRefusalsForABound(t *testing.T) {
	m := newMetrics()
	m.MCP.Bound(access.Bound{Of: "waits", Share: true})
	m.MCP.Bound(access.Bound{Of: "waits"})
	m.MCP.Bound(access.Bound{Of: "reads"})
	m.MCP.Bound(access.Bound{Of: "sessions", Share: true}) // the transport counts those
	m.Store.Watch(stats{err: errors.New("away")})
	m.Store.WatchDamage(func() int { return 2 })
	_, text := scrape(t, m)
	for _, want := range []string{
		`mcp_bounds_refused_total{of="waits",whose="share"} 1`, `mcp_bounds_refused_total{of="waits",whose="all"} 1`,
		`mcp_bounds_refused_total{of="reads",whose="all"} 1`, "queue_damaged 2",
	} {
		if !strings.Contains(text, metrics.Prefix+want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if strings.Contains(text, `of="sessions",whose`) {
		t.Error("a refused session is counted twice")
	}
}

// TestNamesFollowTheConventions lets Prometheus's own linter judge all names and helps,
// with a value for each metric.
func TestNamesFollowTheConventions(t *testing.T) {
	m := newMetrics()
	m.Receive.Observe(accepted())
	m.Handlers.Observe(worker.Observation{Group: "handlers", Attempt: 2})
	m.Handlers.Breaker("loop", true)
	m.Slack.Observe(slackapi.CallInfo{Method: "auth.test", Outcome: "ok", Duration: time.Millisecond, Waited: time.Millisecond})
	m.MCP.Called(toolset.Outcome{Tool: "slack_post_message"})
	m.MCP.Unauthorized("invalid_token")
	m.MCP.Bound(access.Bound{Of: "waits"})
	m.Store.WatchDamage(func() int { return 0 })
	m.Store.Watch(stats{s: queue.Stats{Backend: "sqlite", Groups: []queue.GroupStats{{Name: "handlers"}}}})
	m.Slack.Watch(budgets{})
	m.MCP.Watch(transportStats{})
	m.Listener.Reloaded(true)
	m.Process.Exported(3, true)
	m.Process.Audited(audit.Started, true)
	m.Process.Audited(audit.Started, false)
	m.Listener.WatchConnections(func() (open, refused int64) { return 1, 2 })
	m.Receive.Watch(inFlight{})
	m.Gaps.Recorded("downtime")
	m.Gaps.Watch(func(context.Context) (int, error) { return 1, nil })
	m.Listener.WatchCertificate(func() time.Time { return time.Unix(1, 0) })
	found, text := scrape(t, m)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	shown := 0
	for _, i := range m.Catalog() {
		f := found[i.Name]
		if f == nil {
			continue // nothing above causes one
		}
		shown++
		if kind := strings.ToLower(f.GetType().String()); kind != string(i.Kind) {
			t.Errorf("%s is a %s, the catalog says %s", i.Name, kind, i.Kind)
		}
	}
	if shown < 60 {
		t.Errorf("only %d metrics were judged", shown)
	}
}

type budgets struct{}

func (budgets) Budgets() []slackapi.Budget {
	return []slackapi.Budget{{Method: "auth.test", Remaining: 1, Burst: 2}}
}

type transportStats struct{}

func (transportStats) Stats() transport.Stats { return transport.Stats{Sessions: 1} }

type inFlight struct{}

func (inFlight) InFlight() int64      { return 1 }
func (inFlight) BytesInFlight() int64 { return 2 }
func (inFlight) Delayed() int64       { return 3 }
