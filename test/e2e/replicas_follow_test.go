//go:build unix

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A follower is an assistant of one era: it reads events from its last cursor, and only
// when it is notified of an update or has just subscribed.
type follower struct {
	t        *testing.T
	era      string
	base     string // nginx
	channel  string
	client   *http.Client
	ctx      context.Context //nolint:containedctx // its life
	notified chan struct{}   // capacity 1

	mu        sync.Mutex
	ids       []string
	streams   int    // opened
	updates   int    // notifications
	session   string // of 2025-11-25
	lastEvent string
}

// follow starts a follower of each era, and waits until all have subscribed.
func (f *fleet) follow(channel string) []*follower {
	f.t.Helper()
	var all []*follower
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	f.t.Cleanup(func() { cancel(); wg.Wait() })
	for era, stream := range map[string]func(*follower) error{
		"2024-11-05": (*follower).sse, "2025-11-25": (*follower).resume, "2026-07-28": (*follower).listen,
	} {
		w := &follower{
			t: f.t, era: era, base: f.url, channel: channel, client: &http.Client{Transport: &http.Transport{}}, ctx: ctx, notified: make(chan struct{}, 1),
		}
		if era == "2025-11-25" {
			w.open()
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = stream(w) // it ended with its replica: the next one takes it
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
		wg.Go(w.read)
		eventually(f.t, time.Minute, func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.streams == 0 {
				return errors.New(era + " does not follow")
			}
			return nil
		})
		all = append(all, w)
	}
	return all
}

func (w *follower) uri() string { return "slack://channels/" + w.channel + "/events" }

// opened notes a stream that follows; what came before it is read.
func (w *follower) opened() {
	w.mu.Lock()
	w.streams++
	w.mu.Unlock()
	w.wake()
}

func (w *follower) wake() {
	select {
	case w.notified <- struct{}{}:
	default:
	}
}

// take looks at a message of a stream.
func (w *follower) take(m streamed) {
	if m.Method == "notifications/resources/updated" && m.Params.URI == w.uri() {
		w.mu.Lock()
		w.updates++
		w.mu.Unlock()
		w.wake()
	}
}

type streamed struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		URI string `json:"uri"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// parse decodes a message; what is none, a greeting for instance, has no method.
func parse(data string) (m streamed) {
	_ = json.Unmarshal([]byte(data), &m)
	return m
}

// send posts a message. Headers are pairs.
func (w *follower) send(ctx context.Context, address, body string, headers ...string) (*http.Response, error) {
	return w.request(ctx, http.MethodPost, address, body, headers...)
}

func (w *follower) request(ctx context.Context, method, address, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+authToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.client.Do(req)
}

// events calls fn for each event of a stream until it ends.
func events(body io.Reader, fn func(name, id, data string) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	var name, id, data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if err := fn(name, id, data); err != nil {
				return err
			}
			name, id, data = "", "", ""
		case field == "event":
			name = value
		case field == "id":
			id = value
		case field == "data":
			data = value
		}
	}
	return lines.Err()
}

const implementation = `"clientInfo":{"name":"follower","version":"1"},"capabilities":{}`

// open initializes the session of 2025-11-25 and subscribes: once, whatever happens to
// the replicas later.
func (w *follower) open() {
	w.t.Helper()
	res, err := w.send(w.ctx, w.base+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",`+implementation+`}}`)
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	w.session = res.Header.Get("Mcp-Session-Id")
	for _, body := range []string{
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":%q}}`, w.uri()),
	} {
		res, err := w.send(w.ctx, w.base+"/mcp", body, "Mcp-Session-Id", w.session, "MCP-Protocol-Version", "2025-11-25")
		if err != nil {
			w.t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode >= 300 {
			w.t.Fatalf("%s: %s", body, res.Status)
		}
	}
}

// resume opens the session's stream where the last one ended.
func (w *follower) resume() error {
	headers := []string{"Mcp-Session-Id", w.session, "MCP-Protocol-Version", "2025-11-25"}
	if w.lastEvent != "" {
		headers = append(headers, "Last-Event-ID", w.lastEvent)
	}
	res, err := w.request(w.ctx, http.MethodGet, w.base+"/mcp", "", headers...)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		w.t.Errorf("the session of 2025-11-25 is lost: %s", res.Status)
		return errors.New(res.Status)
	case res.StatusCode != http.StatusOK:
		return errors.New(res.Status)
	}
	first := w.lastEvent == ""
	if first {
		w.opened()
	} else {
		// It relies on a notification of what it missed, and reads nothing unasked.
		w.mu.Lock()
		w.streams++
		w.mu.Unlock()
	}
	return events(res.Body, func(_, id, data string) error {
		if id != "" {
			w.lastEvent = id
		}
		w.take(parse(data))
		return nil
	})
}

// sse opens a stream of 2024-11-05 and subscribes on it.
func (w *follower) sse() error {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	res, err := w.request(ctx, http.MethodGet, w.base+"/mcp/sse", "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	endpoint := ""
	post := func(body string) error {
		answer, err := w.send(ctx, endpoint, body)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			return errors.New(answer.Status)
		}
		return nil
	}
	return events(res.Body, func(name, _, data string) error {
		if name == "endpoint" {
			at, err := url.Parse(w.base)
			if err != nil {
				return err
			}
			to, err := at.Parse(data)
			if err != nil {
				return err
			}
			endpoint = to.String()
			return post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05",` + implementation + `}}`)
		}
		m := parse(data)
		switch string(m.ID) {
		case "1":
			if err := post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); err != nil {
				return err
			}
			return post(fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":%q}}`, w.uri()))
		case "2":
			w.opened()
		default:
			w.take(m)
		}
		return nil
	})
}

const statelessMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"follower","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// listen opens a stream of 2026-07-28.
func (w *follower) listen() error {
	res, err := w.send(w.ctx, w.base+"/mcp",
		fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":[%q]},%s}}`, w.uri(), statelessMeta),
		"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return events(res.Body, func(_, _, data string) error {
		m := parse(data)
		if strings.HasSuffix(m.Method, "/acknowledged") {
			w.opened()
		}
		w.take(m)
		return nil
	})
}

// read reads from the last cursor whenever the follower was notified.
func (w *follower) read() {
	cursor := ""
	for {
		select {
		case <-w.notified:
		case <-w.ctx.Done():
			return
		}
		for more := true; more && w.ctx.Err() == nil; {
			page, err := w.page(cursor)
			if err != nil {
				select {
				case <-time.After(50 * time.Millisecond):
				case <-w.ctx.Done():
				}
				continue
			}
			w.mu.Lock()
			for _, e := range page.Events {
				w.ids = append(w.ids, e.EventID)
			}
			w.mu.Unlock()
			more = page.HasMore
			if page.NextCursor != "" {
				cursor = page.NextCursor
			}
		}
	}
}

type followedPage struct {
	eventPage
	HasMore bool `json:"has_more"`
}

// page asks whichever replica nginx chooses; a session of 2025-11-25 by itself, the others
// without one.
func (w *follower) page(cursor string) (page followedPage, err error) {
	args, err := json.Marshal(map[string]any{"channel": w.channel, "order": "oldest_first", "limit": 200, "cursor": cursor})
	if err != nil {
		return page, err
	}
	params := fmt.Sprintf(`"name":"slack_list_events","arguments":%s`, args)
	headers := []string{"MCP-Protocol-Version", "2025-11-25", "Mcp-Session-Id", w.session}
	if w.session == "" {
		params += "," + statelessMeta
		headers = []string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "slack_list_events"}
	}
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	res, err := w.send(ctx, w.base+"/mcp", `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{`+params+`}}`, headers...)
	if err != nil {
		return page, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return page, err
	case res.StatusCode == http.StatusNotFound:
		w.t.Errorf("%s: a call was answered %s: %s", w.era, res.Status, body)
		return page, errors.New(res.Status)
	case res.StatusCode != http.StatusOK:
		return page, errors.New(res.Status)
	}
	var answer struct {
		Result struct {
			IsError           bool         `json:"isError"`
			StructuredContent followedPage `json:"structuredContent"`
		} `json:"result"`
		Error json.RawMessage `json:"error"`
	}
	err = json.Unmarshal(bytes.TrimSpace(body), &answer)
	if err == nil && (answer.Error != nil || answer.Result.IsError) {
		err = fmt.Errorf("slack_list_events: %s", body)
	}
	return answer.Result.StructuredContent, err
}

// saw waits until the follower has every acknowledged event, and holds that it has none
// twice.
func (w *follower) saw(acked []string) {
	w.t.Helper()
	eventually(w.t, 2*time.Minute, func() error {
		seen := w.seen()
		missing := 0
		for _, id := range acked {
			if seen[id] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("the follower of %s misses %d of %d acknowledged events", w.era, missing, len(acked))
		}
		return nil
	})
	for id, n := range w.seen() {
		if n > 1 {
			w.t.Errorf("the follower of %s saw %s %d times", w.era, id, n)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Logf("%s: %d streams, %d updates, %d events", w.era, w.streams, w.updates, len(w.ids))
}

func (w *follower) seen() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]int{}
	for _, id := range w.ids {
		seen[id]++
	}
	return seen
}
