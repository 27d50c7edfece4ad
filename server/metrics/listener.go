package metrics

import "time"

// Listener are the metrics of what stands in front of all routes.
type Listener struct {
	r       *Registry
	reloads *Counter
	expires *Reading

	connections, refused *Reading
}

func newListener(r *Registry) *Listener {
	return &Listener{
		r:       r,
		reloads: r.Counter("tls_reloads_total", "Renewed certificates that were found in the files, by whether they could be used.", Closed("outcome", "ok", "error")),
		expires: r.Reading(GaugeKind, "tls_certificate_not_after_timestamp_seconds", "When the certificate that is served expires, in Unix time."),

		connections: r.Reading(GaugeKind, "http_connections", "Connections that are open on the main listener."),
		refused:     r.Reading(CounterKind, "http_connections_refused_total", "Connections that were closed as they came, because MAX_CONNECTIONS were open."),
	}
}

// WatchConnections reads the listener at each scrape. It is called once.
func (m *Listener) WatchConnections(count func() (open, refused int64)) {
	m.r.Read(func(put Put) {
		open, refused := count()
		put(m.connections, float64(open))
		put(m.refused, float64(refused))
	}, m.connections, m.refused)
}

// Reloaded counts a renewed certificate.
func (m *Listener) Reloaded(ok bool) {
	outcome := "error"
	if ok {
		outcome = "ok"
	}
	m.reloads.With(outcome).Inc()
}

// WatchCertificate reads the certificate's end at each scrape. It is called once.
func (m *Listener) WatchCertificate(notAfter func() time.Time) {
	m.r.Read(func(put Put) { put(m.expires, float64(notAfter().Unix())) }, m.expires)
}
