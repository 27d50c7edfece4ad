package server

import (
	"context"
	"fmt"
	"net/http"

	"slackmcp/server/traces"
	"slackmcp/store/queue"
)

// trace makes the tracer, when there is a collector. It ends with what ends last, so that
// the spans of the drain are sent too.
func (b *builder) trace(ctx context.Context) (err error) {
	t := b.cfg.Trace
	if t.URL() == "" {
		return nil
	}
	b.traces, err = traces.New(ctx, traces.Options{
		URL: t.URL(), Headers: t.HeaderMap(), Service: t.Service, Version: b.version, Attributes: t.AttributeMap(),
		Sampler: t.Sampler, Ratio: t.Ratio, Logger: b.log, Exported: b.metrics.Process.Exported,
	})
	if err != nil {
		return err
	}
	b.readers = append(b.readers, part{"traces", func(ctx context.Context) error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.Drain)
		defer cancel()
		if err := b.traces.Close(end); err != nil {
			return fmt.Errorf("the last traces were not sent: %w", err)
		}
		return nil
	}})
	return nil
}

// incoming continues the trace that an assistant's request belongs to.
func (s *Server) incoming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(s.traces.Incoming(r.Context(), r.Header)))
	})
}

// enterHandler begins the span of a handler's call; nil without a tracer.
func (s *Server) enterHandler() func(context.Context, string, string, queue.Delivery) context.Context {
	if s.traces == nil {
		return nil
	}
	return s.traces.EnterHandler
}

// enterTool begins the span of a tool call; nil without a tracer.
func (s *Server) enterTool() func(context.Context, string) context.Context {
	if s.traces == nil {
		return nil
	}
	return s.traces.EnterTool
}
