package mcp_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slackmcp/mcp/events"
	"slackmcp/mcp/resources"
	"slackmcp/slackapi/sandbox"
)

// sweptMethods says how each method of the protocol and of the extension is asked by the sweeps. One that is in none
// has not been judged, and fails the test.
var sweptMethods = map[string][]string{
	"as it is": strings.Fields(`tools/list resources/list resources/templates/list prompts/list server/discover events/list ping tasks/get tasks/list
		tasks/result tasks/cancel roots/list elicitation/create sampling/createMessage`),
	"in a session": strings.Fields(`initialize ping logging/setLevel tools/list resources/list resources/templates/list prompts/list`),
	// each that there is, of what the lists have
	"by its list": strings.Fields("tools/call resources/read resources/subscribe resources/unsubscribe prompts/get completion/complete events/poll"),
	// in TestSweepOfStreams
	"by a stream": strings.Fields("subscriptions/listen events/stream events/subscribe events/unsubscribe"),
	// what is told on a stream: of an event in TestSweepOfStreams; of the caller's own calls, and of lists that
	// depend on what the caller gave, nothing of what others see
	"told of an event": {"notifications/resources/updated"},
	"told of one's own": strings.Fields(`notifications/initialized notifications/cancelled notifications/progress notifications/message
		notifications/resources/list_changed notifications/prompts/list_changed notifications/tools/list_changed notifications/roots/list_changed
		notifications/tasks/status notifications/elicitation/complete notifications/subscriptions/acknowledged`),
}

var variables = regexp.MustCompile(`{(\w+)}`)

// methodsOf are the methods that the protocol's package names.
func methodsOf(t *testing.T) (all []string) {
	t.Helper()
	// The go command knows where it lies, also in a test that was built with -trimpath.
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/mark3labs/mcp-go/mcp").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Method") {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				if method, err := strconv.Unquote(value.Value); err == nil {
					all = append(all, method)
				}
			}
			return true
		})
	}
	return all
}

// What there is to be asked is all in the sweeps: what is new, and not judged yet, fails here.
func TestSweepAsksForAll(t *testing.T) {
	t.Parallel()
	known := methodsOf(t)
	if len(known) < 30 {
		t.Fatalf("%d methods of the protocol are found", len(known))
	}
	known = append(known, events.Methods()...)
	var judged []string
	for _, methods := range sweptMethods {
		judged = append(judged, methods...)
	}
	for _, method := range known {
		if !slices.Contains(judged, method) {
			t.Errorf("%s is not judged: add it to sweptMethods", method)
		}
	}
	for _, method := range judged {
		if !slices.Contains(known, method) {
			t.Errorf("%s is judged, and there is no such method", method)
		}
	}
	w := newWorld(t, true)
	every, err := resources.Describe(catalogue(t))
	if err != nil {
		t.Fatal(err)
	}
	shown := append(listed(t, w, "resources/list", "uri"), listed(t, w, "resources/templates/list", "uriTemplate")...)
	for _, r := range every.List() {
		if !slices.Contains(shown, r.URI) {
			t.Errorf("%s is not listed to people, so that no sweep reads it", r.URI)
		}
	}
	_ = w.addresses(&w.room)
}

// addresses are those of all resources, of what is in the room and of what is in the hall.
func (w *world) addresses(p *private) (all []string) {
	w.t.Helper()
	all = listed(w.t, w, "resources/list", "uri")
	for _, place := range [][2]string{{p.room, p.ts}, {w.hall, "1763990000.000100"}} {
		fill := strings.NewReplacer("{event_id}", p.event, "{source}", "slack", "{channel}", place[0], "{thread_ts}", place[1], "{user}", sandbox.Grace, "{message_id}", p.word)
		for _, uri := range listed(w.t, w, "resources/templates/list", "uriTemplate") {
			uri = fill.Replace(uri)
			if strings.Contains(uri, "{") {
				w.t.Errorf("%s is not swept: say what to fill in", uri)
			}
			if !slices.Contains(all, uri) {
				all = append(all, uri)
			}
		}
	}
	return all
}

const initialize = "initialize"

// inSession makes a request in a session of the revision 2025-06-18, and returns the answer whole.
func (w *world) inSession(token, method string, params a) string {
	w.t.Helper()
	params = a{"protocolVersion": "2025-06-18", "capabilities": a{}, "clientInfo": a{"name": "t", "version": "1"}, "uri": params["uri"], "level": params["level"]}
	body, id := w.legacy(token, "", initialize, params)
	if method == initialize {
		return body
	}
	body, _ = w.legacy(token, id, method, params)
	return body
}

// legacy posts a request of a session, which initialize begins.
func (w *world) legacy(token, session, method string, params a) (body, id string) {
	w.t.Helper()
	raw, err := json.Marshal(a{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Authorization": {"Bearer " + token}}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(answer), res.Header.Get("Mcp-Session-Id")
}
