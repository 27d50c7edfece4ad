package apidoc

import (
	"bytes"
	_ "embed" // the document
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

//go:embed openapi.json
var source []byte

// The paths at which New's handlers are to be served.
const (
	DocumentPath = "/openapi.json"
	PagePath     = "/docs"
)

// templateMount is where the document has the MCP endpoint.
const templateMount = "/mcp"

// Options say what is described.
type Options struct {
	// Version is this build's.
	Version string
	// PublicURL is how the world reaches the server; "" means where the document was
	// asked for.
	PublicURL string
	// Paths are what the server answers; a path of the document that is not among them is
	// left out. "/events/{type}" stands for every sender's.
	Paths []string
	// Mount is the MCP endpoint; "" when there is none.
	Mount string
}

// An API is a description, ready to be served. It is safe for concurrent use.
type API struct {
	document, page []byte
	policy         string
}

// New makes the description. Its error is a defect of the document.
func New(o Options) (*API, error) {
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("openapi.json: %w", err)
	}
	paths, ok := doc["paths"].(map[string]any)
	info, okInfo := doc["info"].(map[string]any)
	if !ok || !okInfo {
		return nil, errors.New("openapi.json has no paths or no info")
	}
	info["version"] = o.Version
	if o.PublicURL != "" {
		doc["servers"] = []any{map[string]any{"url": strings.TrimRight(o.PublicURL, "/")}}
	}
	served := map[string]bool{}
	for _, p := range o.Paths {
		served[p] = true
	}
	mcp := paths[templateMount]
	for path := range paths {
		if !served[path] || path == templateMount {
			delete(paths, path)
		}
	}
	if o.Mount != "" {
		paths[o.Mount] = mcp
	}
	document, err := encode(doc)
	if err != nil {
		return nil, err
	}
	a := &API{document: document}
	a.page, a.policy, err = render(document)
	return a, err
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the document: %w", err)
	}
	return b.Bytes(), nil
}

// Document serves the OpenAPI document.
func (a *API) Document(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(a.document) // a peer that left needs no answer
}

// Page serves the page. Its policy lets a browser load nothing and run nothing: the
// page's style is the only one that counts.
func (a *API) Page(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", a.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(a.page) // a peer that left needs no answer
}
