package metrics

import "slackmcp/server/audit"

// Process are the metrics of what the process keeps for operators.
type Process struct{ records, errors *Counter }

func newProcess(r *Registry) *Process {
	var words []string
	for _, e := range audit.Events() {
		words = append(words, string(e))
	}
	event := Closed("event", words...)
	return &Process{
		records: r.Counter("audit_records_total", "Lines of the audit trail.", event),
		errors:  r.Counter("audit_errors_total", "Lines of the audit trail that could not be written.", event),
	}
}

// Audited counts a line of the audit trail.
func (m *Process) Audited(e audit.Event, ok bool) {
	if !ok {
		m.errors.With(string(e)).Inc()
		return
	}
	m.records.With(string(e)).Inc()
}
