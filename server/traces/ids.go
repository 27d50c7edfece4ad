package traces

import (
	"context"
	"crypto/rand"
	"crypto/sha256"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// ids are the trace of an event and the span of its delivery.
type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// idsOf derives the ids of an event's trace from what names the event everywhere.
func idsOf(source, id string) ids {
	sum := sha256.Sum256([]byte("trace\x00" + source + "\x00" + id))
	return ids{trace: trace.TraceID(sum[:16]), span: trace.SpanID(sum[16:24])}
}

// parent is the span context of an event's delivery, as a span that lies elsewhere sees
// it. Whether it was sampled is decided by its id, here as there.
func (t *Tracer) parent(ctx context.Context, of ids) trace.SpanContext {
	c := trace.SpanContextConfig{TraceID: of.trace, SpanID: of.span, Remote: true}
	if t.root.ShouldSample(sdk.SamplingParameters{ParentContext: ctx, TraceID: of.trace}).Decision == sdk.RecordAndSample {
		c.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(c)
}

type idsKey struct{}

// derivedIDs takes the ids of a new trace from its context where they are there, and
// makes random ones otherwise.
type derivedIDs struct{}

// NewIDs implements the generator.
func (g derivedIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if of, ok := ctx.Value(idsKey{}).(ids); ok {
		return of.trace, of.span
	}
	var t trace.TraceID
	rand.Read(t[:]) // never fails
	return t, g.NewSpanID(ctx, t)
}

// NewSpanID implements the generator.
func (derivedIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	var s trace.SpanID
	rand.Read(s[:])
	return s
}
