package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"slackmcp/server"
	"slackmcp/webhook/event"
)

// A collectorServer takes spans as OpenTelemetry's collector does: OTLP over HTTP.
type collectorServer struct {
	*httptest.Server
	mu       sync.Mutex
	spans    []*tracepb.Span
	resource map[string]string
	headers  http.Header
	raw      strings.Builder
}

func newCollector(t *testing.T) *collectorServer {
	t.Helper()
	c := &collectorServer{resource: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &req) != nil {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.headers = r.Header
		c.raw.Write(body)
		for _, rs := range req.GetResourceSpans() {
			for _, kv := range rs.GetResource().GetAttributes() {
				c.resource[kv.GetKey()] = kv.GetValue().GetStringValue()
			}
			for _, ss := range rs.GetScopeSpans() {
				c.spans = append(c.spans, ss.GetSpans()...)
			}
		}
		out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(out)
	}))
	t.Cleanup(c.Close)
	return c
}

// named returns the spans of a name.
func (c *collectorServer) named(name string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*tracepb.Span
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

// TestTracesFollowEventsAndCalls posts an event to a real server that has a collector:
// the delivery, its duplicate and both attempts of a handler are one trace, though
// nothing of it is stored; a tool's call and what it asks of Slack are the caller's.
func TestTracesFollowEventsAndCalls(t *testing.T) {
	c := newCollector(t)
	s, err := server.New(t.Context(), server.Options{Version: "v1.2", Config: load(t, map[string]string{
		"INTEGRATED": "true", "SANDBOX": "true", "SLACK_SIGNING_SECRET": secret, "MCP_AUTH_TOKEN": "trace-token-0123456789",
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20key", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
	})})
	if err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int64
	handled := make(chan struct{})
	if err := s.On("message", func(_ context.Context, e *event.Event) error {
		if e.ID != "Ev0TRACE" {
			return nil
		}
		if tries.Add(1) == 1 {
			return errors.New("canary-error-text: the first attempt fails")
		}
		close(handled)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	for range 2 {
		if status := post(t, url, `{"type":"event_callback","event_id":"Ev0TRACE","event":{"type":"message","text":"canary-event-text"}}`); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	<-handled
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slack_post_message","arguments":{"channel":"#general","text":"canary-tool-text"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
		"Mcp-Method": "tools/call", "Mcp-Name": "slack_post_message", "Authorization": "Bearer trace-token-0123456789",
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if err := stop(); err != nil { // sends what waits
		t.Fatal(err)
	}

	var first *tracepb.Span
	receives := c.named("receive slack")
	for _, span := range receives {
		if attribute(span, "outcome") == "accepted" && attribute(span, "event.id") == "Ev0TRACE" {
			first = span
		}
	}
	if first == nil || len(first.GetParentSpanId()) != 0 {
		t.Fatalf("the accepted delivery has no span, or it is not the first of its trace: %v", receives)
	}
	child := func(name, what string, of *tracepb.Span, n int) []*tracepb.Span {
		t.Helper()
		var found []*tracepb.Span
		for _, span := range c.named(name) {
			if string(span.GetTraceId()) == string(of.GetTraceId()) && string(span.GetParentSpanId()) == string(of.GetSpanId()) {
				found = append(found, span)
			}
		}
		if len(found) != n {
			t.Fatalf("%s: %d spans %q are children of %q, want %d", what, len(found), name, of.GetName(), n)
		}
		return found
	}
	child("publish", "the publish", first, 1)
	if dup := child("receive slack", "the duplicate", first, 1); attribute(dup[0], "outcome") != "duplicate" {
		t.Errorf("the child delivery is %s, want the duplicate", attribute(dup[0], "outcome"))
	}
	attempts := child("handle handlers", "the handler's attempts", first, 2)
	if attempts[0].GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || attempts[1].GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("the attempts have the statuses %v and %v, want error and none", attempts[0].GetStatus(), attempts[1].GetStatus())
	}
	tools := c.named("tools/call slack_post_message")
	if len(tools) != 1 || fmt.Sprintf("%x %x", tools[0].GetTraceId(), tools[0].GetParentSpanId()) != "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331" {
		t.Fatalf("the tool's call does not continue the caller's trace: %v", tools)
	}
	child("slack chat.postMessage", "the call to Slack", tools[0], 1)

	if c.resource["service.name"] != "slack-webhook-server" || c.resource["service.version"] != "v1.2" || c.resource["deployment.environment"] != "test" {
		t.Errorf("the resource is %v", c.resource)
	}
	if got := c.headers.Get("Api-Key"); got != "a key" {
		t.Errorf("the collector was sent the key %q", got)
	}
	for _, canary := range []string{"canary-", secret, "trace-token", "xoxb-"} {
		if strings.Contains(c.raw.String(), canary) {
			t.Errorf("the spans hold %s", canary)
		}
	}
}

func attribute(s *tracepb.Span, key string) string {
	for _, kv := range s.GetAttributes() {
		if kv.GetKey() == key {
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// TestCollectorThatIsAway has nobody listening: events are answered all the same, and
// the server ends.
func TestCollectorThatIsAway(t *testing.T) {
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "DRAIN_TIMEOUT": "1s",
	})})
	if err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	for i := range 20 {
		if status := post(t, url, fmt.Sprintf(`{"type":"event_callback","event_id":"Ev0AWAY%d"}`, i)); status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
