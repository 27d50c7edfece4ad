package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// wellKnown is where RFC 9728 puts the metadata of a resource, before its path.
const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataOptions configure a Metadata.
type MetadataOptions struct {
	// Resource is the URL of the MCP endpoint as clients know it, which is also the
	// audience that they ask tokens for. Required.
	Resource string
	// Issuers are the authorization servers whose tokens are accepted. Required.
	Issuers []string
	// Scopes are those that clients may ask for, with ScopePrefix before each.
	Scopes      []Scope
	ScopePrefix string
	// Name is what a person reads; Documentation an address with more. Optional.
	Name, Documentation string
}

// A Metadata is the document of RFC 9728 by which a client that was refused finds out
// where to get a token. It is an http.Handler.
type Metadata struct {
	url  *url.URL
	body []byte
}

// NewMetadata checks the options and returns the document.
func NewMetadata(o MetadataOptions) (*Metadata, error) {
	u, err := url.Parse(o.Resource)
	if err != nil || u.Host == "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("access: Resource %q is not an absolute URL", o.Resource)
	}
	if len(o.Issuers) == 0 {
		return nil, errors.New("access: Metadata needs Issuers")
	}
	scopes := make([]string, len(o.Scopes))
	for i, s := range o.Scopes {
		scopes[i] = o.ScopePrefix + string(s)
	}
	body, err := json.Marshal(struct {
		Resource      string   `json:"resource"`
		Issuers       []string `json:"authorization_servers"`
		Scopes        []string `json:"scopes_supported,omitempty"`
		Methods       []string `json:"bearer_methods_supported"`
		Name          string   `json:"resource_name,omitempty"`
		Documentation string   `json:"resource_documentation,omitempty"`
	}{o.Resource, o.Issuers, scopes, []string{"header"}, o.Name, o.Documentation})
	if err != nil {
		return nil, fmt.Errorf("access: metadata: %w", err)
	}
	at := *u
	at.Path = wellKnown + strings.TrimRight(u.Path, "/")
	at.RawPath, at.RawQuery = "", ""
	return &Metadata{url: &at, body: body}, nil
}

// URL is the document's address, for WWW-Authenticate.
func (m *Metadata) URL() string { return m.url.String() }

// Paths are the paths to mount the document at: its own, and the one without the
// resource's path, which some clients try.
func (m *Metadata) Paths() []string {
	if m.url.Path == wellKnown {
		return []string{wellKnown}
	}
	return []string{m.url.Path, wellKnown}
}

// ServeHTTP answers with the document. Pages of every origin may read it: it is public,
// and a browser client needs it before it has a token.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET")
		h.Set("Access-Control-Allow-Headers", "Mcp-Protocol-Version")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(m.body) // a peer that left needs no answer
}
