package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slackmcp/internal/requires"
	"slackmcp/server/metrics"
)

const (
	dashboardFile = "../../deploy/grafana/slack-webhook-server.json"
	alertsDir     = "../../deploy/prometheus"
)

// queries returns the dashboard's queries by the title of their panel.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			found[p.Title] = append(found[p.Title], target.Expr)
		}
		if p.Type != "row" && len(found[p.Title]) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
	}
	if len(found) < 30 {
		t.Fatalf("found %d panels, want the whole dashboard", len(found))
	}
	return found
}

// alertExpressions returns the rules' expressions, each on the line after "expr: >-".
func alertExpressions(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(alertsDir, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)- alert: (\w+)\n +expr: >-\n +(.+)$`).FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	if n := strings.Count(string(text), "- alert:"); n != len(found) || n < 10 {
		t.Fatalf("found the expressions of %d alerts out of %d", len(found), n)
	}
	return found
}

var (
	metricName = regexp.MustCompile(metrics.Prefix + `\w+`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matcher    = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
)

// TestDeployedQueriesNameExistingMetrics holds every query of the dashboard and the
// alerts against the registry: names, labels, and the values of closed labels.
func TestDeployedQueriesNameExistingMetrics(t *testing.T) {
	catalog := map[string]metrics.Info{}
	for _, i := range newMetrics().Catalog() {
		catalog[i.Name] = i
	}
	all := queries(t)
	for name, exprs := range alertExpressions(t) {
		all["alert "+name] = exprs
	}
	for where, exprs := range all {
		for _, expr := range exprs {
			for _, problem := range judge(expr, catalog) {
				t.Errorf("%s: %s: %s", where, problem, expr)
			}
		}
	}
	// A test that finds nothing wrong with this finds nothing.
	if problems := judge(`sum by (colour) (rate(`+metrics.Prefix+`deliveries_total{outcome="lost"}[5m])) + `+metrics.Prefix+`no_such_thing`, catalog); len(problems) != 3 {
		t.Errorf("judge finds %v, want three problems", problems)
	}
}

// judge lists what is wrong with a query.
func judge(expr string, catalog map[string]metrics.Info) (problems []string) {
	labels := map[string]*metrics.Label{"job": nil, "instance": nil, "namespace": nil, "le": nil}
	for _, name := range metricName.FindAllString(expr, -1) {
		info, ok := catalog[name]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, suffix); cut && !ok && catalog[base].Kind == metrics.HistogramKind {
				info, ok = catalog[base], true
			}
		}
		if !ok {
			problems = append(problems, "there is no metric "+name)
		}
		for _, l := range info.Labels {
			labels[l.Name] = &l
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for name := range strings.SplitSeq(m[1], ",") {
			if _, ok := labels[strings.TrimSpace(name)]; !ok {
				problems = append(problems, "no metric of it has the label "+name)
			}
		}
	}
	for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
		l, ok := labels[m[1]]
		switch {
		case !ok:
			problems = append(problems, "no metric of it has the label "+m[1])
		case l != nil && l.Values != nil && m[2] == "=" && m[3] != metrics.Other && !slices.Contains(l.Values, m[3]):
			problems = append(problems, "the label "+m[1]+" is never "+m[3])
		}
	}
	return problems
}

// TestEveryAlertIsTested asks for a case in which each alert fires.
func TestEveryAlertIsTested(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(alertsDir, "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range alertExpressions(t) {
		fires := regexp.MustCompile(`alertname="` + name + `", alertstate="firing"\}\)\n +eval_time: \w+\n +exp_samples: \[\{labels: "\{\}", value: 1\}\]`)
		if !fires.Match(text) {
			t.Errorf("alerts_test.yaml has no case in which %s fires", name)
		}
	}
}

// TestPromtool has Prometheus's own tool check the alerts, run their unit tests, and
// parse every query of the dashboard.
func TestPromtool(t *testing.T) {
	promtool := requires.Program(t, "promtool", "apt-get install prometheus")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = alertsDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	run("check", "rules", "alerts.yaml")
	run("test", "rules", "alerts_test.yaml")

	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	n := 0
	for _, exprs := range queries(t) {
		for _, expr := range exprs {
			fmt.Fprintf(&rules, "      - record: dashboard:%d\n        expr: %q\n", n, strings.ReplaceAll(expr, "$__rate_interval", "5m"))
			n++
		}
	}
	path := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run("check", "rules", path)
}
