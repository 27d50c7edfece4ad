package metrics

import "slackmcp/server/audit"

// Process are the metrics of what the process keeps for operators.
type Process struct{ records, errors, spans *Counter }

func newProcess(r *Registry) *Process {
	var words []string
	for _, e := range audit.Events() {
		words = append(words, string(e))
	}
	event := Closed("event", words...)
	return &Process{
		records: r.Counter("audit_records_total", "Lines of the audit trail.", event),
		spans:   r.Counter("trace_spans_total", "Spans that were sent to the collector, by whether it took them.", Closed("outcome", "ok", "error")),
		errors:  r.Counter("audit_errors_total", "Lines of the audit trail that could not be written.", event),
	}
}

// Exported counts spans that were sent.
func (m *Process) Exported(spans int, ok bool) {
	outcome := "error"
	if ok {
		outcome = "ok"
	}
	m.spans.With(outcome).Add(float64(spans))
}

// Audited counts a line of the audit trail.
func (m *Process) Audited(e audit.Event, ok bool) {
	if !ok {
		m.errors.With(string(e)).Inc()
		return
	}
	m.records.With(string(e)).Inc()
}
