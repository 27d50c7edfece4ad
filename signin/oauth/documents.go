package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"slackmcp/internal/egress"
)

// Bounds of fetching.
const (
	// MaxDocument is the most bytes of a client metadata document.
	MaxDocument = 5 << 10
	// FetchTime bounds a fetch.
	FetchTime   = 5 * time.Second
	leastFresh  = time.Minute
	mostFresh   = 24 * time.Hour
	fetchAtOnce = 4
)

// pinned are the documents of known clients, with what they hold as far as it matters here. They are
// used where a document cannot be fetched: behind a firewall, or where its host refuses machines.
var pinned = []client{
	{id: "https://claude.ai/oauth/claude-code-client-metadata", name: "Claude Code", redirects: []string{
		"http://localhost/callback", "http://127.0.0.1/callback",
	}},
	{id: "https://claude.ai/oauth/mcp-oauth-client-metadata", name: "Claude", redirects: []string{
		"https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback",
	}},
	{id: "https://chatgpt.com/oauth/client.json", name: "ChatGPT", redirects: []string{
		"https://chatgpt.com/connector_platform_oauth_redirect",
	}},
	{id: "https://chatgpt.com/oauth/codex/client.json", name: "Codex", redirects: []string{
		"http://127.0.0.1/callback", "http://localhost/callback",
	}},
	{id: "https://vscode.dev/oauth/client-metadata.json", name: "Visual Studio Code", redirects: []string{
		"http://127.0.0.1:33418/", "https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect",
	}},
	{id: "https://github.com/copilot/cli/client-metadata.json", name: "GitHub Copilot CLI", redirects: []string{
		"http://127.0.0.1:33418/",
	}},
}

// errFetch is all that is said about a document that could not be had: no more would be told of the
// network that this server is in.
var errFetch = errors.New("the client's metadata document could not be read now; try again later")

// documents are the client metadata documents of known clients and of those that the operator named.
// No other is ever fetched.
type documents struct {
	urls   []string // that the operator named
	egress *egress.Client
	log    *slog.Logger
	now    func() time.Time

	slots chan struct{} // a token for each fetch that runs
	group singleflight.Group
	mu    sync.Mutex
	known map[string]document // by URL
}

// document is a copy that was fetched, or the failure to do so.
type document struct {
	client *client // the last good copy; nil where there is none
	until  time.Time
}

func newDocuments(urls []string, e *egress.Client, log *slog.Logger, now func() time.Time) *documents {
	return &documents{urls: urls, egress: e, log: log, now: now, slots: make(chan struct{}, fetchAtOnce), known: map[string]document{}}
}

// checkDocumentURL refuses what cannot be the address of a document.
func checkDocumentURL(id string) error {
	u, err := url.Parse(id)
	if err != nil || len(id) > maxRedirect || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(id, "#?\\ %") ||
		u.Path == "" || u.Path == "/" || path.Clean(u.Path) != u.Path || u.String() != id || u.Host != strings.ToLower(u.Host) {
		return errors.New("a client metadata document has an https URL with a path, without user, query, fragment, escapes and dot segments")
	}
	return nil
}

// pin is the pinned copy of a document, or nil.
func pin(id string) *client {
	i := slices.IndexFunc(pinned, func(c client) bool { return c.id == id })
	if i < 0 {
		return nil
	}
	return &client{id: id, name: pinned[i].name, redirects: pinned[i].redirects, vouched: true}
}

// allowed reports whether a document may be fetched at all.
func (d *documents) allowed(id string) bool { return slices.Contains(d.urls, id) || pin(id) != nil }

// find returns the client of a document.
func (d *documents) find(ctx context.Context, id string) (*client, error) {
	if !d.allowed(id) {
		return nil, errUnknownClient
	}
	if c, ok := d.lately(id); ok {
		return d.orPin(id, c)
	}
	// All who wait for a document share one fetch, which outlives the one who came first.
	got := d.group.DoChan(id, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), FetchTime)
		defer cancel()
		return d.fetch(ctx, id), nil
	})
	select {
	case r := <-got:
		c, _ := r.Val.(*client)
		return d.orPin(id, c)
	case <-ctx.Done():
		return nil, errFetch
	}
}

// orPin returns a copy that was fetched, else the pinned one.
func (d *documents) orPin(id string, c *client) (*client, error) {
	if c == nil {
		c = pin(id)
	}
	if c == nil {
		return nil, errFetch
	}
	return c, nil
}

func (d *documents) lately(id string) (*client, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.known[id]
	return known.client, ok && d.now().Before(known.until)
}

// fetch gets a document and keeps it. What was fetched before stays when that fails.
func (d *documents) fetch(ctx context.Context, id string) *client {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil
	}
	c, fresh, err := d.get(ctx, id)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		// The reason is for the operator alone.
		d.log.LogAttrs(ctx, slog.LevelWarn, "a client metadata document was not fetched", slog.String("document", id), slog.Any("error", err))
		c, fresh = d.known[id].client, leastFresh
	}
	d.known[id] = document{client: c, until: d.now().Add(fresh)}
	return c
}

var errDocument = errors.New("it is no client metadata document")

func (d *documents) get(ctx context.Context, id string) (*client, time.Duration, error) {
	reply, err := d.egress.Get(ctx, id, nil)
	if err != nil {
		return nil, 0, err
	}
	media, _, err := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	if err != nil || reply.Status != 200 || reply.Cut || (media != "application/json" && !strings.HasSuffix(media, "+json")) {
		return nil, 0, errDocument
	}
	var doc struct {
		ID        string          `json:"client_id"`
		Name      string          `json:"client_name"`
		Redirects []string        `json:"redirect_uris"`
		Secret    json.RawMessage `json:"client_secret"`
	}
	if json.Unmarshal(reply.Body, &doc) != nil || doc.ID != id || doc.Name == "" || len(doc.Redirects) == 0 || doc.Secret != nil {
		return nil, 0, errDocument
	}
	doc.Redirects = doc.Redirects[:min(len(doc.Redirects), maxRedirects)]
	return &client{id: id, name: cleanName(doc.Name), redirects: doc.Redirects, vouched: true}, freshness(reply.Header.Get("Cache-Control")), nil
}

// freshness is how long a document is used that came with this Cache-Control.
func freshness(control string) time.Duration {
	for part := range strings.SplitSeq(control, ",") {
		if v, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(part)), "max-age="); ok {
			if seconds, err := time.ParseDuration(v + "s"); err == nil {
				return min(max(seconds, leastFresh), mostFresh)
			}
		}
	}
	return leastFresh
}
