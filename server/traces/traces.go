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
// Only verified deliveries are traced, so that no sender without a secret can fill the
// collector. Spans hold names, ids, counts and outcomes; no text of an event, of an
// argument or of an error. A collector that is slow or away loses spans and slows
// no caller: they wait in a bounded queue.
package traces

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/worker"
)

// Options configure a Tracer.
type Options struct {
	// URL is where spans are posted, with its path (…/v1/traces). Required.
	URL string
	// Headers go with each post, as for a collector that asks for a key.
	Headers map[string]string
	// Service and Version name this program; Attributes are further ones of the resource.
	Service, Version string
	Attributes       map[string]string
	// Sampler is one of OpenTelemetry's names of samplers, see [Samplers]; empty is
	// parentbased_always_on. Ratio is the share of those that have one, 0 to 1.
	Sampler string
	Ratio   float64
	// Logger receives a line when spans begin to be lost, and when they arrive again; nil discards it.
	Logger *slog.Logger
	// OnExported is called after each batch of spans; nil is not called.
	OnExported func(spans int, ok bool)
}

// Samplers are the names that Options.Sampler may have.
func Samplers() []string {
	return []string{
		"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
}

// sampler returns the sampler of a name, and the one that decides where there is no
// parent.
func sampler(name string, ratio float64) (whole, root sdk.Sampler, err error) {
	switch name {
	case "always_on", "parentbased_always_on", "":
		root = sdk.AlwaysSample()
	case "always_off", "parentbased_always_off":
		root = sdk.NeverSample()
	case "traceidratio", "parentbased_traceidratio":
		root = sdk.TraceIDRatioBased(ratio)
	default:
		return nil, nil, fmt.Errorf("traces: there is no sampler %q", name)
	}
	switch name {
	case "always_on", "always_off", "traceidratio":
		return root, root, nil
	}
	return sdk.ParentBased(root), root, nil
}

// A Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	root     sdk.Sampler
	incoming propagation.TraceContext
}

// scope names what makes the spans.
const scope = "slackmcp"

// New returns a Tracer. It does not connect yet: a collector that is away is no error.
func New(ctx context.Context, o Options) (*Tracer, error) {
	whole, root, err := sampler(o.Sampler, o.Ratio)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnExported == nil {
		o.OnExported = func(int, bool) {}
	}
	exporter, err := otlptrace.New(ctx, newPoster(o.URL, o.Headers))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	attrs := []attribute.KeyValue{attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)}
	for k, v := range o.Attributes {
		attrs = append(attrs, attribute.String(k, v))
	}
	provider := sdk.NewTracerProvider(
		sdk.WithResource(resource.NewSchemaless(attrs...)), sdk.WithSampler(whole), sdk.WithIDGenerator(derivedIDs{}),
		sdk.WithBatcher(&teller{SpanExporter: exporter, log: o.Logger, exported: o.OnExported}),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version)), root: root}, nil
}

// Close sends what waits, as far as ctx allows, and ends the Tracer.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Incoming returns a context with the trace that a request's headers name.
func (t *Tracer) Incoming(ctx context.Context, h http.Header) context.Context {
	return t.incoming.Extract(ctx, propagation.HeaderCarrier(h))
}

// A teller sends spans and says, once for each time, that they do not arrive. It keeps
// errors from OpenTelemetry's own handler, which would write them to stderr.
type teller struct {
	sdk.SpanExporter
	log      *slog.Logger
	exported func(int, bool)
	away     atomic.Bool
}

// ExportSpans implements the exporter.
func (e *teller) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.exported(len(spans), err == nil)
	switch {
	case err != nil && !e.away.Swap(true):
		e.log.LogAttrs(ctx, slog.LevelWarn, "the collector takes no spans; they are lost until it does", slog.String("error", err.Error()))
	case err == nil && e.away.Swap(false):
		e.log.LogAttrs(ctx, slog.LevelInfo, "the collector takes spans again")
	}
	return nil
}

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

// OfEvent is the id of an event's trace, in hexadecimal digits.
func OfEvent(source, id string) string { return idsOf(source, id).trace.String() }

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

// The bounds of a post to the collector.
const (
	postTimeout = 10 * time.Second
	postTries   = 3
	firstPause  = 500 * time.Millisecond
	maxAnswer   = 64 << 10
)

// A poster sends spans by OTLP over HTTP, in protobuf. It stands in for the client of
// OpenTelemetry's own exporter, which brings all of gRPC into the program for the name
// of one message; the bytes are the same.
type poster struct {
	url     string
	headers map[string]string
	http    *http.Client
}

func newPoster(url string, headers map[string]string) *poster {
	return &poster{url: url, headers: headers, http: &http.Client{
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Start implements otlptrace.Client.
func (*poster) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (p *poster) Stop(context.Context) error {
	p.http.CloseIdleConnections()
	return nil
}

// UploadTraces posts the spans, and again where the collector asks for that.
func (p *poster) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// TracesData and ExportTraceServiceRequest are the same on the wire.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	for n, pause := 1, firstPause; ; n, pause = n+1, 2*pause {
		again, err := p.post(ctx, body)
		if err == nil || !again || n == postTries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// post sends a body once. again reports that the collector may take it later.
func (p *poster) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	for name, value := range p.headers {
		req.Header.Set(name, value)
	}
	res, err := p.http.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection is used again
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the collector answered %d", res.StatusCode)
}
