package transport

import (
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

const (
	ssePath     = "/sse"
	messagePath = "/message"
	sessionKey  = "sessionId" // in the query of messagePath, as SDKs have it
)

// route serves a request that may come in: what it asks for under the mount.
func (t *Transport) route(w http.ResponseWriter, r *http.Request) {
	if t.server == nil || t.stopped() {
		t.unavailable(w, "stopping")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, t.opt.Mount)
	if !ok {
		reply(w, http.StatusNotFound, "not_found", "")
		return
	}
	switch rest {
	case "", "/":
		t.endpoint(w, r)
	case ssePath:
		t.only(http.MethodGet, t.openSSE, w, r)
	case messagePath:
		t.only(http.MethodPost, t.messageSSE, w, r)
	default:
		reply(w, http.StatusNotFound, "not_found", "")
	}
}

func (t *Transport) only(method string, h http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	if r.Method != method {
		methodNotAllowed(w, method)
		return
	}
	h(w, r)
}

// endpoint serves the mount itself.
func (t *Transport) endpoint(w http.ResponseWriter, r *http.Request) {
	stateless := mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion))
	switch r.Method {
	case http.MethodPost:
		t.post(w, r)
	case http.MethodGet:
		switch {
		case stateless:
			methodNotAllowed(w, http.MethodPost)
		case r.Header.Get(mcp.HeaderSessionID) == "" && t.opt.Default == SSE:
			t.openSSE(w, r)
		default:
			t.get(w, r)
		}
	case http.MethodDelete:
		if stateless {
			methodNotAllowed(w, http.MethodPost)
			return
		}
		t.delete(w, r)
	default:
		methodNotAllowed(w, corsMethods)
	}
}

// principal is the name that sessions are bound to; "" is everybody's where nobody has
// to authenticate.
func principal(r *http.Request) string {
	if p := access.From(r.Context()); p != nil {
		return p.Name
	}
	return ""
}

// accepts reports whether the client takes a media type. One that says nothing takes
// everything.
func accepts(r *http.Request, media string) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return true
	}
	major, _, _ := strings.Cut(media, "/")
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case media, major + "/*", "*/*":
				return true
			}
		}
	}
	return false
}
