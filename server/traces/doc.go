// Package traces tells an OpenTelemetry collector how events and calls travel: from the
// webhook through the queue to the handlers, and from a tool to Slack. It is the only
// importer of OpenTelemetry, and there is no Tracer unless a collector was configured, so
// that its absence costs nothing.
//
// No trace context is stored with an event. The ids of the trace and of its first span
// are derived from the event's source and id, which every replica sees: the handler's
// span, whenever and wherever it begins, knows its parent. The sampler decides by the
// trace's id, and so everywhere alike. The stored delivery is the trace's first span; its
// duplicates, and tries that were answered 503, are that span's children.
//
// Only verified deliveries are traced, so that nobody without a secret can fill the
// collector. Spans hold names, ids, counts and outcomes; no text of an event, of an
// argument or of an error. A collector that is slow or away loses spans and slows
// nobody: they wait in a bounded queue.
package traces
