package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// Reference is docs/metrics.md, made from the registry.
func Reference() string {
	m := New(Options{Version: "dev"})
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, subject := range subjects {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n", subject.title)
		for _, i := range m.Catalog() {
			name := strings.TrimPrefix(i.Name, Prefix)
			if subjectOf(name) == subject.title {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, i.Kind, labelText(i.Labels), i.Help)
			}
		}
	}
	return b.String()
}

const referenceHead = `<!-- Made from server/metrics by ` + "`go generate ./...`" + `; edit there. -->

# Metrics

` + "`GET /metrics`" + ` answers Prometheus, on the main listener or, when ADMIN_ADDR is set, on that one. Every name
below begins with ` + "`" + Prefix + "`" + `; beside them there are the ` + "`go_*` and `process_*`" + ` metrics of Prometheus's own
client. Labels have the values that are listed, or at most as many as is said; whatever else comes counts as
` + "`" + Other + "`" + `. No value is a secret, an address, an id or a text of an event.

The queue's metrics are read from the store: over a shared store every replica shows the same figures, so take their
` + "`max`" + `, not their ` + "`sum`" + `. All others belong to the process that shows them. What a process does not do, such as MCP in
standalone mode, shows no values.

docs/operations.md says what to watch; the dashboard and the alert rules in deploy/ use these names.
`

// subjects are the headings, by what the names begin with; the last takes the rest.
var subjects = []struct {
	title    string
	prefixes []string
}{
	{"Receiving", []string{"ack_", "addresses_", "clock_", "deliver", "publish_", "slack_deliveries_", "slack_failure_", "slack_rate_", "slack_retries_", "verif"}},
	{"Queue", []string{"queue_"}},
	{"Handlers", []string{"handler_"}},
	{"Assistants", []string{"mcp_"}},
	{"Slack's Web API", []string{"slack_api_"}},
	{"The listener and the process", nil},
}

func subjectOf(name string) string {
	for _, s := range subjects {
		if slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return s.title
		}
	}
	return subjects[len(subjects)-1].title
}

func labelText(labels []Label) string {
	var parts []string
	for _, l := range labels {
		switch {
		case l.Note != "" && l.Most > 0:
			parts = append(parts, fmt.Sprintf("`%s`: %s, at most %d", l.Name, l.Note, l.Most))
		case l.Note != "":
			parts = append(parts, fmt.Sprintf("`%s`: %s", l.Name, l.Note))
		default:
			parts = append(parts, fmt.Sprintf("`%s`: %s", l.Name, strings.Join(l.Values, ", ")))
		}
	}
	return strings.Join(parts, "; ")
}
