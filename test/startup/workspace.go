package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// A workspace is the sandbox of the binary, behind a proxy that counts.
type workspace struct {
	*process
	proxy       *httptest.Server
	env         []string // with which a server uses the workspace
	token       string
	last, other string // channels' names

	calls, pages atomic.Int64
	asked        atomic.Bool // for a channel's history
}

func startSlack(ctx context.Context, server string, o options) (*workspace, error) {
	p, _, err := launch(ctx, server, nil, "sandbox", "--extra-channels", strconv.Itoa(o.channels), "--extra-users", strconv.Itoa(o.users))
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, "/api/api.test"); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	target, err := url.Parse(p.base)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	w := &workspace{process: p}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	w.proxy = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		switch path.Base(r.URL.Path) {
		case "conversations.list":
			w.pages.Add(1)
		case "conversations.history":
			w.asked.Store(true)
		}
		forward.ServeHTTP(rw, r)
	}))
	if err := errors.Join(w.introduce(), w.look(ctx)); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// introduce reads what the sandbox says is to be set, and puts the proxy in its place.
func (w *workspace) introduce() error {
	said, err := os.ReadFile(filepath.Join(w.dir, "output.log"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(said)) {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, "=")
		switch {
		case !ok || !strings.HasPrefix(name, "SLACK_"):
			continue
		case name == "SLACK_API_URL":
			line = name + "=" + w.proxy.URL + "/api/"
		case name == "SLACK_BOT_TOKEN":
			w.token = value
		}
		w.env = append(w.env, line)
	}
	if w.token == "" {
		return errors.New("the sandbox does not say what its token is")
	}
	return nil
}

// look finds the two channels that are last in Slack's list.
func (w *workspace) look(ctx context.Context) error {
	for cursor := ""; ; {
		q := url.Values{"limit": {"1000"}, "exclude_archived": {"true"}, "cursor": {cursor}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/api/conversations.list?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+w.token)
		var page struct {
			OK       bool `json:"ok"`
			Channels []struct {
				Name string `json:"name"`
			} `json:"channels"`
			Metadata struct {
				NextCursor string `json:"next_cursor"`
			} `json:"response_metadata"`
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		if n := len(page.Channels); n > 1 {
			w.last, w.other = page.Channels[n-1].Name, page.Channels[n-2].Name
		}
		if cursor = page.Metadata.NextCursor; !page.OK || cursor == "" {
			break
		}
	}
	if w.last == "" {
		return fmt.Errorf("the sandbox at %s lists no channels", w.base)
	}
	return nil
}

func (w *workspace) reset() {
	w.calls.Store(0)
	w.pages.Store(0)
	w.asked.Store(false)
}

func (w *workspace) stop() {
	w.proxy.Close()
	_ = w.process.stop() // it is only a fake
}
