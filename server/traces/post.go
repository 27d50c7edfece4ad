package traces

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

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
