package traces

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/worker"
)

// Received makes the span of a verified delivery that has just ended, and that of its
// publish.
func (t *Tracer) Received(o *webhook.Observation) {
	if o.ID == "" {
		return // not verified, or nothing to store
	}
	of, end := idsOf(o.Source, o.ID), o.Answered
	ctx := context.Background()
	options := []trace.SpanStartOption{
		trace.WithTimestamp(end.Add(-o.Duration)), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("event.source", o.Source), attribute.String("event.id", o.ID), attribute.String("event.kind", o.Kind.String()),
			attribute.String("outcome", string(o.Outcome)), attribute.Int("http.response.status_code", o.Status),
			attribute.Int("http.request.body.size", o.Bytes), attribute.Int("slack.retry_num", o.Retry.Num), attribute.Int("publish.tries", o.Tries)),
	}
	if o.Outcome == webhook.Accepted {
		ctx = context.WithValue(ctx, idsKey{}, of)
	} else {
		ctx = trace.ContextWithRemoteSpanContext(ctx, t.parent(ctx, of))
	}
	ctx, span := t.tracer.Start(ctx, "receive "+o.Source, options...)
	if o.Status >= 500 {
		span.SetStatus(codes.Error, string(o.Outcome))
	}
	if o.Tries > 0 {
		_, publish := t.tracer.Start(ctx, "publish", trace.WithTimestamp(end.Add(-o.Publish)), trace.WithSpanKind(trace.SpanKindProducer))
		publish.End(trace.WithTimestamp(end))
	}
	span.End(trace.WithTimestamp(end))
}

// EnterHandler begins the span of one call of a handler, as a child of the event's
// delivery.
func (t *Tracer) EnterHandler(ctx context.Context, group, pattern string, d queue.Delivery) context.Context {
	e := &d.Event
	ctx, _ = t.tracer.Start(
		trace.ContextWithRemoteSpanContext(ctx, t.parent(ctx, idsOf(e.Source, e.ID))), "handle "+group,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("event.source", e.Source), attribute.String("event.id", e.ID), attribute.String("event.kind", e.Kind.String()),
			attribute.String("handler.pattern", pattern), attribute.Int("handler.attempt", d.Attempt),
			attribute.Float64("queue.wait_seconds", time.Since(e.ReceivedAt).Seconds())))
	return ctx
}

// Handled ends the span of EnterHandler.
func (t *Tracer) Handled(ctx context.Context, o worker.Observation) {
	end(ctx, o.Err, handlerFault(o.Err))
}

func handlerFault(err error) string {
	_, panicked := errors.AsType[*worker.PanicError](err)
	switch {
	case panicked:
		return "panic"
	case queue.IsPermanent(err):
		return "permanent"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	}
	return "error"
}

// EnterTool begins the span of a tool call.
func (t *Tracer) EnterTool(ctx context.Context, tool string) context.Context {
	ctx, _ = t.tracer.Start(ctx, "tools/call "+tool, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("mcp.tool", tool)))
	return ctx
}

// ToolCalled ends the span of EnterTool.
func (t *Tracer) ToolCalled(ctx context.Context, o toolset.Outcome) {
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("mcp.principal", o.Principal), attribute.Bool("mcp.read_only", o.ReadOnly))
	end(ctx, o.Err, "error")
}

// SlackCalled makes the span of an attempt at a call to Slack that has just ended.
func (t *Tracer) SlackCalled(ctx context.Context, c slackapi.CallInfo) {
	end := time.Now()
	_, span := t.tracer.Start(ctx, "slack "+c.Method,
		trace.WithTimestamp(end.Add(-c.Duration)), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("slack.method", c.Method), attribute.String("outcome", c.Outcome),
			attribute.Int("attempt", c.Attempt), attribute.Float64("limiter.wait_seconds", c.Waited.Seconds())))
	if c.Outcome != "ok" {
		span.SetStatus(codes.Error, c.Outcome)
	}
	span.End(trace.WithTimestamp(end))
}

// end ends the span of a context; word says what sort of error it was, never its text.
func end(ctx context.Context, err error, word string) {
	span := trace.SpanFromContext(ctx)
	if err != nil {
		span.SetStatus(codes.Error, word)
	}
	span.End()
}
