package traces

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// TestIDsAreDerived holds what docs/operations.md says: printf 'trace\0slack\0Ev0123' | sha256sum.
func TestIDsAreDerived(t *testing.T) {
	of := idsOf("slack", "Ev0123")
	if got := of.trace.String() + of.span.String(); got != "1f7e2b4a10b05a62ff0683db87b5db33556d54d64173daa9" {
		t.Errorf("the ids are %s", got)
	}
	if idsOf("slack", "Ev0124") == of || idsOf("slackE", "v0123") == of {
		t.Error("another event has the same ids")
	}
}

// TestSamplersAgree asks for the same decision where an event arrives and where it is
// handled, for each sampler.
func TestSamplersAgree(t *testing.T) {
	for _, name := range Samplers() {
		tracer, err := New(t.Context(), Options{URL: "http://127.0.0.1:1/v1/traces", Sampler: name, Ratio: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for i := range 200 {
			of := idsOf("slack", string(rune('a'+i)))
			_, span := tracer.tracer.Start(context.WithValue(t.Context(), idsKey{}, of), "receive")
			if span.SpanContext().TraceID() != of.trace || span.SpanContext().SpanID() != of.span {
				t.Fatalf("%s: the first span has other ids than the derived ones", name)
			}
			if there, here := span.SpanContext().IsSampled(), tracer.parent(t.Context(), of).IsSampled(); there != here {
				t.Fatalf("%s: sampled there %v, here %v", name, there, here)
			} else if here {
				kept++
			}
		}
		least, most := 0, 200
		if strings.HasSuffix(name, "traceidratio") {
			least, most = 50, 150
		}
		if kept < least || kept > most {
			t.Errorf("%s keeps %d of 200", name, kept)
		}
	}
}

// TestPostsAgain has a collector that is busy once.
func TestPostsAgain(t *testing.T) {
	var posts atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if posts.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	if err := newPoster(srv.URL, nil).UploadTraces(t.Context(), []*tracepb.ResourceSpans{{}}); err != nil || posts.Load() != 2 {
		t.Errorf("%d posts, and %v", posts.Load(), err)
	}
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	if err := newPoster(refusing.URL, nil).UploadTraces(t.Context(), []*tracepb.ResourceSpans{{}}); err == nil {
		t.Error("a collector that answers 404 took the spans")
	}
}
