package traces

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
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
	// Logger is told when spans begin to be lost, and when they arrive again; nil discards it.
	Logger *slog.Logger
	// Exported is told of each batch of spans; nil tells nobody.
	Exported func(spans int, ok bool)
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

// New returns a Tracer. It connects to nobody: a collector that is away is met later.
func New(ctx context.Context, o Options) (*Tracer, error) {
	whole, root, err := sampler(o.Sampler, o.Ratio)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Exported == nil {
		o.Exported = func(int, bool) {}
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
		sdk.WithBatcher(&teller{SpanExporter: exporter, log: o.Logger, exported: o.Exported}),
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
