package function

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// event is what a Function URL makes of a request.
func event(method, path string, header map[string]string, body string) events.LambdaFunctionURLRequest {
	e := events.LambdaFunctionURLRequest{Version: "2.0", RawPath: path, Headers: header, Body: body}
	e.RequestContext.DomainName = "abc.lambda-url.eu-central-1.on.aws"
	e.RequestContext.HTTP = events.LambdaFunctionURLRequestContextHTTPDescription{Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "203.0.113.9"}
	return e
}

func payload(t *testing.T, e events.LambdaFunctionURLRequest) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// said is what an answer says.
func said(t *testing.T, a *answer) events.LambdaFunctionURLResponse {
	t.Helper()
	b, err := io.ReadAll(a)
	if err != nil {
		t.Fatal(err)
	}
	var out events.LambdaFunctionURLResponse
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheRequestIsTheOneThatWasPosted(t *testing.T) {
	t.Parallel()
	raw := "{\"text\":\"é \\u0000\"}\r\n\xff"
	e := event("POST", "/slack/events", map[string]string{
		"x-slack-signature": "v0=00", "x-slack-request-timestamp": "1", "content-type": "application/json", "host": "abc.lambda-url.eu-central-1.on.aws",
	}, base64.StdEncoding.EncodeToString([]byte(raw)))
	e.IsBase64Encoded, e.RawQueryString, e.Cookies = true, "a=1&b=%20", []string{"x=1", "y=2"}
	r, err := request(t.Context(), payload(t, e))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != raw || r.ContentLength != int64(len(raw)) {
		t.Errorf("body %q (%d), %v, want %q", body, r.ContentLength, err, raw)
	}
	got := []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.RemoteAddr, r.Header.Get("X-Slack-Signature"), r.Header.Get("X-Slack-Request-Timestamp"), r.Header.Get("Cookie")}
	want := []string{"POST", "/slack/events", "a=1&b=%20", "abc.lambda-url.eu-central-1.on.aws", "203.0.113.9:0", "v0=00", "1", "x=1; y=2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.TLS == nil {
		t.Error("the request is not known to have come by HTTPS")
	}
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	t.Parallel()
	noBase64 := event("POST", "/", nil, "%%%")
	noBase64.IsBase64Encoded = true
	noPath := event("GET", "/%zz", nil, "")
	for name, p := range map[string]string{
		"an event of another kind":   `{"Records":[{"eventSource":"aws:sqs","body":"canary"}]}`,
		"payload version 1.0":        `{"version":"1.0","httpMethod":"POST","path":"/","body":"canary"}`,
		"a list":                     `["canary"]`,
		"a body that is not base64":  string(payload(t, noBase64)),
		"a path that cannot be read": string(payload(t, noPath)),
	} {
		r, err := request(t.Context(), json.RawMessage(p))
		if err == nil || r != nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "%") {
			t.Errorf("%s: the error repeats the event: %v", name, err)
		}
	}
}

func TestAnswersAreInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &invocations{handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			w.WriteHeader(http.StatusOK)
		})}
		for _, tc := range []struct {
			limit  time.Duration
			status int
			within time.Duration
		}{
			{3 * time.Second, http.StatusOK, 2 * time.Second},
			{2 * time.Second, http.StatusServiceUnavailable, 2*time.Second - spare},
			{spare / 2, http.StatusServiceUnavailable, 0},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), tc.limit)
			begun := time.Now()
			a, err := f.invoke(ctx, payload(t, event("GET", "/", nil, "")))
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took != tc.within {
				t.Errorf("with %s to go it took %s, want %s", tc.limit, took, tc.within)
			}
			out := said(t, a)
			if out.StatusCode != tc.status || tc.status == 503 && out.Headers["Retry-After"] == "" {
				t.Errorf("with %s to go: %+v, want %d", tc.limit, out, tc.status)
			}
			cancel()
			time.Sleep(5 * time.Second) // what was given up ends by itself
		}
	})
}

func TestTheEndWaitsUntilTheAnswerIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &invocations{handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("stored")) })}
		open, err := f.invoke(t.Context(), payload(t, event("GET", "/", nil, "")))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- f.end(time.Minute) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("it ended (%v) before the answer was sent", err)
		default:
		}
		late, err := f.invoke(t.Context(), payload(t, event("GET", "/", nil, "")))
		if err != nil {
			t.Fatal(err)
		}
		if out := said(t, late); out.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("while draining: %+v", out)
		}
		if out := said(t, open); out.Body != "stored" {
			t.Errorf("%+v", out)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAnEndHasABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &invocations{handler: http.NotFoundHandler()}
		if _, err := f.invoke(t.Context(), payload(t, event("GET", "/", nil, ""))); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := f.end(time.Second); err == nil || time.Since(begun) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		f.open.Done() // the answer that nobody fetched
	})
}

func TestAFailureIsNotCountedAsOpen(t *testing.T) {
	t.Parallel()
	f := &invocations{handler: http.NotFoundHandler()}
	if _, err := f.invoke(t.Context(), json.RawMessage(`{}`)); !errors.Is(err, errPayload) {
		t.Errorf("%v", err)
	}
	if err := f.end(time.Minute); err != nil {
		t.Error(err)
	}
}

// FuzzRequest: no event, whatever it holds, ends the process, and a body that was
// encoded comes out as it went in.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/slack/events", "x-slack-signature", "v0=0", []byte("{}"))
	f.Add("GET", "//[", "", "\r\n", []byte{0xff, 0})
	f.Fuzz(func(t *testing.T, method, path, name, value string, body []byte) {
		e := event(method, path, map[string]string{name: value}, base64.StdEncoding.EncodeToString(body))
		e.IsBase64Encoded = true
		r, err := request(t.Context(), payload(t, e))
		if err != nil {
			return
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || fmt.Sprintf("%x", got) != fmt.Sprintf("%x", body) {
			t.Errorf("body %q, %v, want %q", got, err, body)
		}
	})
}
