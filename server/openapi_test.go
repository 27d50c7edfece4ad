package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"slackmcp/server"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// A described is the OpenAPI document of a server, and what was seen of it.
type described struct {
	t    *testing.T
	doc  map[string]any
	seen map[string]bool // "POST /slack/events 200"
}

func describe(t *testing.T, url string) *described {
	t.Helper()
	status, text := get(t, url+"/openapi.json", "")
	if status != http.StatusOK {
		t.Fatalf("GET /openapi.json: %d %s", status, text)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &described{t: t, doc: doc.(map[string]any), seen: map[string]bool{}}
}

// at follows names through the document and its references.
func (d *described) at(v any, names ...string) any {
	for _, name := range names {
		object, _ := v.(map[string]any)
		v = object[name]
		for {
			object, ok := v.(map[string]any)
			ref, isRef := object["$ref"].(string)
			if !ok || !isRef {
				break
			}
			v = d.at(d.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
	}
	return v
}

// documented lists all that the document says, as "POST /slack/events 200".
func (d *described) documented() []string {
	var list []string
	for path, item := range d.doc["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			for status := range d.at(operation, "responses").(map[string]any) {
				list = append(list, strings.ToUpper(method)+" "+path+" "+status)
			}
		}
	}
	slices.Sort(list)
	return list
}

// check holds an answer to what the document says about its route and status.
func (d *described) check(method, path string, want int, status int, header http.Header, body []byte) {
	d.t.Helper()
	name := fmt.Sprintf("%s %s %d", method, path, status)
	if status != want {
		d.t.Errorf("%s: %s, want %d", name, body, want)
		return
	}
	d.seen[name] = true
	response := d.at(d.doc, "paths", path, strings.ToLower(method), "responses", fmt.Sprint(status))
	if response == nil {
		d.t.Errorf("%s is not in the document", name)
		return
	}
	content, _ := d.at(response, "content").(map[string]any)
	if len(body) == 0 && (content == nil || path == "/slack/events" && status == http.StatusOK) {
		return
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || content[media] == nil {
		d.t.Errorf("%s is of type %q (%v), which the document does not say", name, header.Get("Content-Type"), err)
		return
	}
	headers, _ := d.at(response, "headers").(map[string]any)
	for h := range headers {
		if header.Get(h) == "" {
			d.t.Errorf("%s lacks the header %s", name, h)
		}
	}
	if media != "application/json" {
		return
	}
	if err := d.validate(content[media].(map[string]any)["schema"], body); err != nil {
		d.t.Errorf("%s: %s: %v", name, body, err)
	}
}

// validate holds a body to a schema of the document.
func (d *described) validate(schema any, body []byte) error {
	where := fmt.Sprintf("schema-%d.json", len(d.seen))
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte(`"#/`), []byte(`"openapi.json#/`))
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", d.doc); err != nil {
		return err
	}
	if err := c.AddResource(where, v); err != nil {
		return err
	}
	s, err := c.Compile(where)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// An asked is one request and the status that it has to provoke.
type asked struct {
	method, path string // as the document writes it
	want         int
	url          string // where it goes, when not to path
	header       map[string]string
	body         string
}

// ask sends it to a server.
func (d *described) ask(base string, a asked) http.Header {
	d.t.Helper()
	if a.url == "" {
		a.url = a.path
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, a.method, base+a.url, strings.NewReader(a.body))
	if err != nil {
		d.t.Fatal(err)
	}
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Errorf("%s %s: %v", a.method, a.path, err)
		return http.Header{}
	}
	defer answer.Body.Close()
	var body []byte
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		if body, err = io.ReadAll(answer.Body); err != nil {
			d.t.Errorf("%s %s: %v", a.method, a.path, err)
		}
	} else {
		body = []byte("a stream")
	}
	d.check(a.method, a.path, a.want, answer.StatusCode, answer.Header, body)
	return answer.Header
}

func slackSigned(body string) map[string]string {
	at := fmt.Sprint(time.Now().Unix())
	return map[string]string{
		"Content-Type": "application/json", "X-Slack-Request-Timestamp": at, "X-Slack-Signature": "v0=" + sum(secret, "v0:"+at+":"+body),
	}
}

func hexSigned(body string) map[string]string {
	return map[string]string{"X-Signature": sum(contactSecret, body)}
}

func bearerSigned(body string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + sum(receiptSecret, body)}
}

// Each sender has a secret of its own.
const (
	contactSecret = "the-contact-secret"
	receiptSecret = "the-receipt-secret"
)

func sum(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// with adds to headers.
func with(h map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

const mcpToken = "0123456789abcdef0123456789abcdef"

// allRoutes is a configuration with every route that there is.
func allRoutes(more ...string) map[string]string {
	return with(map[string]string{
		"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": "http://127.0.0.1:1/", "MCP_AUTH_TOKEN": mcpToken,
		"CONTACT_WEBHOOK_SECRET": contactSecret, "WEBHOOK_SECRET": receiptSecret, "MAX_BODY_BYTES": "64KiB",
	}, more...)
}

// eventRoutes are the three kinds of event routes, with a body and its signature.
var eventRoutes = []struct {
	path, url, body string
	sign            func(string) map[string]string
}{
	{"/slack/events", "", `{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}`, slackSigned},
	{"/events/{type}", "/events/contact_created", `{"email":"ada@example.com"}`, hexSigned},
	{"/webhooks", "", `{"id":"m1","status":"delivered","deliveredAt":"2026-01-02T03:04:05Z"}`, bearerSigned},
}

// TestOpenAPI provokes every answer that the document describes, and holds each to its
// schema. What the document calls default is left out: it needs a server with too many
// sessions, or one that cannot reach them.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := build(t, allRoutes())
	url, _ := run(t, s)
	d := describe(t, url)
	for _, path := range []string{"/", "/health", "/livez", "/readyz", "/health/detailed", "/metrics", "/openapi.json", "/docs"} {
		d.ask(url, asked{method: "GET", path: path, want: 200})
		onlyHead(t, url+path)
	}
	d.events(url)
	d.queries(url)
	d.mcp(url)
	d.broken()
	d.inside()
	for _, name := range d.documented() {
		if !d.seen[name] && !strings.HasSuffix(name, " default") {
			t.Errorf("%s is in the document, and nothing provoked it", name)
		}
	}
	t.Logf("%d answers were seen", len(d.seen))
}

// onlyHead asks by HEAD, as monitors do: the answer is that of GET, without its body.
func onlyHead(t *testing.T, url string) {
	t.Helper()
	r, err := http.Head(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); r.StatusCode != http.StatusOK || len(body) > 0 || err != nil || r.Header.Get("Content-Type") == "" {
		t.Errorf("HEAD %s: %s %v, %d bytes, %v", url, r.Status, r.Header, len(body), err)
	}
}

// events asks the routes of senders.
func (d *described) events(url string) {
	for _, r := range eventRoutes {
		to := func(want int, header map[string]string, body string) {
			d.t.Helper()
			d.ask(url, asked{method: "POST", path: r.path, url: r.url, want: want, header: header, body: body})
		}
		to(200, r.sign(r.body), r.body)
		to(200, r.sign(r.body), r.body) // a duplicate
		to(400, r.sign(""), "")
		to(401, nil, r.body)
		to(401, with(r.sign(r.body+" "), "Content-Type", "application/json"), r.body)
		long := `"` + strings.Repeat("x", 64<<10) + `"`
		to(413, r.sign(long), long)
		to(415, with(r.sign(r.body), "Content-Encoding", "gzip"), r.body)
	}
	for _, body := range []string{`{"type":"url_verification","challenge":"abc"}`, `{}`} {
		d.ask(url, asked{method: "POST", path: "/slack/events", want: 200, header: slackSigned(body), body: body})
	}
	d.ask(url, asked{method: "POST", path: "/slack/events", want: 200, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "ssl_check=1"})
	d.ask(url, asked{method: "POST", path: "/slack/events", want: 415, header: with(slackSigned("x"), "Content-Type", "text/plain"), body: "x"})
	d.ask(url, asked{method: "POST", path: "/events/{type}", url: "/events/nobody", want: 404})
	d.ask(url, asked{method: "POST", path: "/webhooks", want: 422, header: bearerSigned(`{"id":"m"}`), body: `{"id":"m"}`})
}

// queries asks what providers ask by GET.
func (d *described) queries(url string) {
	const public, bird, birdSecret = "https://events.example.com", "messagebird", "the-secret-of-bird"
	file := filepath.Join(d.t.TempDir(), "sources.yaml")
	list := "sources: [{name: bird, provider: " + bird + ", secret_env: BIRD_SECRET}, {name: box, provider: dropbox, secret_env: BOX_SECRET}]\n"
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		d.t.Fatal(err)
	}
	p, err := provider.Find(bird)
	if err != nil {
		d.t.Fatal(err)
	}
	more := []string{"WEBHOOK_PROVIDER", bird, "SOURCES_FILE", file, "PUBLIC_URL", public, "BIRD_SECRET", birdSecret, "BOX_SECRET", "the-secret-of-box"}
	by, _ := run(d.t, build(d.t, allRoutes(more...)))
	away, _ := run(d.t, build(d.t, allRoutes(append(more, "QUEUE_BACKEND_TYPE", "redis", "REDIS_URL", "redis://127.0.0.1:1/0", "RETRY", "1")...)))
	strict, _ := run(d.t, build(d.t, allRoutes(append(more, "REQUIRE_HTTPS", "true")...)))
	for path, r := range map[string]struct{ at, secret string }{"/webhooks": {"/webhooks", receiptSecret}, "/events/{type}": {"/events/bird", birdSecret}} {
		ask := func(base string, want int, query, signed string) {
			d.t.Helper()
			req := httptest.NewRequest(http.MethodGet, r.at+"?"+signed, nil)
			if err := signature.Sign(p.Scheme, r.secret, signature.Posting{Request: req, At: time.Now(), URL: public + r.at}); err != nil {
				d.t.Fatal(err)
			}
			d.ask(base, asked{method: "GET", path: path, url: r.at + "?" + query, want: want, header: map[string]string{"MessageBird-Signature-JWT": req.Header.Get("MessageBird-Signature-JWT")}})
		}
		const query = "id=m1&status=delivered"
		ask(by, 200, query, query)
		ask(by, 401, query, "id=m2")
		ask(away, 503, query, query)
		ask(strict, 403, query, query)
		if path == "/webhooks" {
			ask(by, 400, "", "")
			ask(by, 422, "id=m1", "id=m1")
		}
	}
	d.ask(by, asked{method: "GET", path: "/events/{type}", url: "/events/box?challenge=abc", want: 200})
	d.ask(by, asked{method: "GET", path: "/events/{type}", url: "/events/box?challenge=%3Cb%3E", want: 422})
	d.ask(by, asked{method: "GET", path: "/events/{type}", url: "/events/nobody", want: 404})
	d.ask(url, asked{method: "GET", path: "/events/{type}", url: "/events/contact_created", want: 405})
	d.ask(url, asked{method: "GET", path: "/webhooks", want: 405})
}

// mcp asks the assistants' endpoint.
func (d *described) mcp(url string) {
	bearer := func(more ...string) map[string]string {
		return with(map[string]string{
			"Authorization": "Bearer " + mcpToken, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		}, more...)
	}
	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`
	session := d.ask(url, asked{method: "POST", path: "/mcp", want: 200, header: bearer(), body: initialize}).Get("Mcp-Session-Id")
	d.ask(url, asked{method: "POST", path: "/mcp", want: 202, header: bearer("Mcp-Session-Id", session), body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`})
	d.ask(url, asked{method: "POST", path: "/mcp", want: 200, header: bearer("Mcp-Session-Id", session), body: `{"jsonrpc":"2.0","id":2,"method":"ping"}`})
	d.ask(url, asked{method: "POST", path: "/mcp", want: 400, header: bearer(), body: `{`})
	d.ask(url, asked{method: "POST", path: "/mcp", want: 406, header: bearer("Accept", "text/plain"), body: initialize})
	d.ask(url, asked{method: "POST", path: "/mcp", want: 413, header: bearer(), body: `"` + strings.Repeat("x", 8<<20) + `"`})
	d.ask(url, asked{method: "POST", path: "/mcp", want: 415, header: bearer("Content-Type", "text/plain"), body: initialize})
	for method, body := range map[string]string{"POST": `{"jsonrpc":"2.0","id":3,"method":"ping"}`, "GET": "", "DELETE": ""} {
		d.ask(url, asked{method: method, path: "/mcp", want: 401, header: bearer("Authorization", ""), body: body})
		d.ask(url, asked{method: method, path: "/mcp", want: 403, header: bearer("Origin", "https://evil.example"), body: body})
		d.ask(url, asked{method: method, path: "/mcp", want: 404, header: bearer("Mcp-Session-Id", "nobody"), body: body})
	}
	d.ask(url, asked{method: "GET", path: "/mcp", want: 200, header: bearer("Mcp-Session-Id", session, "Accept", "text/event-stream")})
	d.ask(url, asked{method: "GET", path: "/mcp", want: 406, header: bearer("Mcp-Session-Id", session, "Accept", "text/plain")})
	d.ask(url, asked{method: "DELETE", path: "/mcp", want: 204, header: bearer("Mcp-Session-Id", session)})
	d.ask(url, asked{method: "DELETE", path: "/mcp", want: 400, header: bearer()})
	streamable, _ := run(d.t, build(d.t, allRoutes("MCP_TRANSPORT", "streamable-http")))
	d.ask(streamable, asked{method: "GET", path: "/mcp", want: 400, header: bearer("Accept", "text/event-stream")})
}

// broken asks servers that cannot store, or may not be spoken to in clear.
func (d *described) broken() {
	away, _ := run(d.t, build(d.t, allRoutes("QUEUE_BACKEND_TYPE", "redis", "REDIS_URL", "redis://127.0.0.1:1/0", "RETRY", "1")))
	strict, _ := run(d.t, build(d.t, allRoutes("REQUIRE_HTTPS", "true")))
	for _, r := range eventRoutes {
		d.ask(away, asked{method: "POST", path: r.path, url: r.url, want: 503, header: r.sign(r.body), body: r.body})
		d.ask(strict, asked{method: "POST", path: r.path, url: r.url, want: 403, header: r.sign(r.body), body: r.body})
	}
	d.ask(away, asked{method: "GET", path: "/health/detailed", want: 503})
	d.ask(away, asked{method: "GET", path: "/health", want: 200})
}

// inside asks a handler by hand what no client can provoke in a short time: a body that
// does not arrive, a defect, a server that drains.
func (d *described) inside() {
	var h http.Handler
	s := build(d.t, allRoutes("INTEGRATED", "false"))
	err := s.RunHandler(d.t.Context(), func(_ context.Context, handler http.Handler) error {
		h = handler
		for _, r := range eventRoutes {
			url := r.url
			if url == "" {
				url = r.path
			}
			for want, body := range map[int]io.Reader{408: badBody(func() error { return os.ErrDeadlineExceeded }), 500: badBody(func() error { panic("a defect") })} {
				q := httptest.NewRequest(http.MethodPost, url, body)
				for name, value := range r.sign(r.body) {
					q.Header.Set(name, value)
				}
				d.byHand(h, r.path, want, q)
			}
		}
		return nil
	})
	if err != nil {
		d.t.Error(err)
	}
	d.byHand(h, "/readyz", 503, httptest.NewRequest(http.MethodGet, "/readyz", nil))
}

func (d *described) byHand(h http.Handler, path string, want int, r *http.Request) {
	d.t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	d.check(r.Method, path, want, w.Code, w.Header(), w.Body.Bytes())
}

// badBody is a body that cannot be read.
type badBody func() error

func (b badBody) Read([]byte) (int, error) { return 0, b() }

func build(t *testing.T, vars map[string]string) *server.Server {
	t.Helper()
	s, err := server.New(t.Context(), server.Options{Config: load(t, vars)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOpenAPINamesWhatIsServed: a route that a configuration does not have is not in its
// document, and every route that it has is.
func TestOpenAPINamesWhatIsServed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		vars      map[string]string
		has, lack []string
	}{
		{"the webhook side alone", map[string]string{}, []string{"/slack/events", "/readyz"}, []string{"/mcp", "/events/{type}", "/webhooks"}},
		{"another mount", allRoutes("MCP_MOUNT_PATH", "/api/mcp"), []string{"/api/mcp", "/events/{type}", "/webhooks"}, []string{"/mcp"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, tc.vars)
			s, err := server.New(t.Context(), server.Options{Config: c, Version: "1.2.3"})
			if err != nil {
				t.Fatal(err)
			}
			url, _ := run(t, s)
			d := describe(t, url)
			paths := d.doc["paths"].(map[string]any)
			for _, p := range tc.has {
				if paths[p] == nil {
					t.Errorf("%s is not in the document", p)
				}
			}
			for _, p := range tc.lack {
				if paths[p] != nil {
					t.Errorf("%s is in the document", p)
				}
			}
			if v := d.at(d.doc, "info", "version"); v != "1.2.3" {
				t.Errorf("version %v", v)
			}
			routes, err := server.Routes(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range routes {
				path := r.Path
				if strings.HasPrefix(path, "/events/") || path == "/register" {
					continue // {type} stands for all; what OAuth has is described by its own documents
				}
				if paths[strings.TrimSuffix(path, "/*")] == nil && !strings.HasPrefix(path, "/.well-known/") {
					t.Errorf("%s is served and not in the document", path)
				}
			}
		})
	}
}

// TestDocsMoveWithTheOperator: ADMIN_ADDR takes the description off the main listener.
func TestDocsMoveWithTheOperator(t *testing.T) {
	t.Parallel()
	url, _ := run(t, build(t, map[string]string{"ADMIN_ADDR": "127.0.0.1:0"}))
	for _, path := range []string{"/openapi.json", "/docs", "/health/detailed"} {
		if status, text := get(t, url+path, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d %s, want 404", path, status, text)
		}
	}
}

// TestDocsPage: the page stands by itself, and a browser may load and run nothing.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	url, _ := run(t, build(t, allRoutes("PUBLIC_URL", "https://events.example.com/")))
	r, err := http.Get(url + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	policy := r.Header.Get("Content-Security-Policy")
	_, rest, _ := strings.Cut(string(page), "<style>")
	css, _, _ := strings.Cut(rest, "</style>")
	digest := sha256.Sum256([]byte(css))
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"';") {
		t.Errorf("the policy %q does not let the page's own style", policy)
	}
	for _, never := range []string{"<script", "http://", "@import", "url(", " style=", " onclick", "javascript:"} {
		if strings.Contains(string(page), never) {
			t.Errorf("the page has %q", never)
		}
	}
	for _, want := range []string{"/slack/events", "X-Slack-Signature", "https://events.example.com", "HealthDetailed"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not show %s", want)
		}
	}
}
