// Command startup measures how long the shipped binary takes from the start of its
// process to its first 200 of /readyz, with many events in its store and while Slack is a sandbox with many channels and
// users, and what the first #name costs: its time, and the pages of conversations.list.
// It prints a table in Markdown.
//
//	go run ./test/startup -server bin/slack-webhook-server
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/store/sqlite"
	"slackmcp/test/internal/driver"
	"slackmcp/webhook/event"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the command's flags.
type options struct {
	server, write   string
	channels, users int
	events, runs    int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("startup", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.server, "server", "bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.write, "write", "", "also write the table to this file, between its startup markers")
	fs.IntVar(&o.channels, "channels", 10_000, "further channels in the workspace")
	fs.IntVar(&o.users, "users", 50_000, "further users in the workspace")
	fs.IntVar(&o.events, "events", 100_000, "events in the store")
	fs.IntVar(&o.runs, "runs", 5, "starts; the median is reported")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if o.runs < 1 {
		fmt.Fprintln(stderr, "startup: -runs must be at least 1")
		return 2
	}
	table, err := measure(ctx, o, stderr)
	if table != "" {
		fmt.Fprint(stdout, table)
		if o.write != "" {
			err = errors.Join(err, driver.Replace(o.write, "startup", table))
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "startup:", err)
		return 1
	}
	return 0
}

// A result is what one start came to.
type result struct {
	ready        time.Duration // from the start of the process to the first 200
	atReady      int64         // calls of Slack until then
	first, again lookup        // a #name, and another one
}

// A lookup is what a #name cost.
type lookup struct {
	took  time.Duration
	pages int64 // of conversations.list
}

func measure(ctx context.Context, o options, log io.Writer) (string, error) {
	server, err := filepath.Abs(o.server)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	slack, err := startSlack(ctx, server, o)
	if err != nil {
		return "", err
	}
	defer slack.stop()
	data, err := os.MkdirTemp("", "startup-data")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(data) }()
	if err := fill(ctx, data, o.events); err != nil {
		return "", fmt.Errorf("fill the store: %w", err)
	}
	var results []result
	for i := range o.runs {
		r, err := once(ctx, server, data, slack)
		if err != nil {
			return "", fmt.Errorf("start %d: %w", i+1, err)
		}
		fmt.Fprintf(log, "start %d: ready after %s (%d calls), #name after %s (%d pages), another after %s (%d pages)\n",
			i+1, ms(r.ready), r.atReady, ms(r.first.took), r.first.pages, ms(r.again.took), r.again.pages)
		results = append(results, r)
	}
	table := markdown(o, results)
	if m := middle(results, func(r result) time.Duration { return r.ready }); m >= aim {
		err = fmt.Errorf("a start takes %s, the aim is under %s", ms(m), ms(aim))
	}
	return table, err
}

// aim is the longest that a start may take.
const aim = 300 * time.Millisecond

// once starts the server, waits until it is ready, and lets it resolve two names.
func once(ctx context.Context, server, data string, slack *workspace) (r result, err error) {
	slack.reset()
	p, err := driver.StartWith(ctx, server, slack.env, "--integrated", "--data-dir", data, "--mcp-transport", "streamable-http")
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	r.ready, r.atReady = p.Took, slack.calls.Load()
	if r.first, err = slack.resolve(ctx, p, slack.last); err != nil {
		return result{}, fmt.Errorf("the first #name: %w", err)
	}
	if r.again, err = slack.resolve(ctx, p, slack.other); err != nil {
		return result{}, fmt.Errorf("another #name: %w", err)
	}
	return r, nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1e3) }

// middle is the median of a figure.
func middle[T int64 | time.Duration](rs []result, get func(result) T) T {
	var list []T
	for _, r := range rs {
		list = append(list, get(r))
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func markdown(o options, rs []result) string {
	var b strings.Builder
	slowest := slices.MaxFunc(rs, func(x, y result) int { return int(x.ready - y.ready) })
	fmt.Fprintf(&b, "%s; %d events stored, %d further channels, %d further users, median of %d starts\n\n",
		driver.Heading(), o.events, o.channels, o.users, len(rs))
	b.WriteString("| what | time | Slack was asked |\n|---|---:|---|\n")
	row := func(what string, took time.Duration, asked string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", what, ms(took), asked)
	}
	pages := func(n int64) string { return fmt.Sprintf("pages of conversations.list: %d", n) }
	row("process start to ready", middle(rs, func(r result) time.Duration { return r.ready }),
		fmt.Sprintf("calls until then: %d", middle(rs, func(r result) int64 { return r.atReady })))
	row("the slowest of the starts", slowest.ready, fmt.Sprintf("calls until then: %d", slowest.atReady))
	row("a tool call with the first #name, the last of the list", middle(rs, func(r result) time.Duration { return r.first.took }),
		pages(middle(rs, func(r result) int64 { return r.first.pages })))
	row("a tool call with another #name", middle(rs, func(r result) time.Duration { return r.again.took }),
		pages(middle(rs, func(r result) int64 { return r.again.pages })))
	return b.String()
}

// A workspace is the sandbox of the binary, behind a proxy that counts.
type workspace struct {
	*driver.Process
	proxy       *httptest.Server
	env         []string // with which a server uses the workspace
	token       string
	last, other string // channels' names

	calls, pages atomic.Int64
	asked        atomic.Bool // for a channel's history
}

func startSlack(ctx context.Context, server string, o options) (*workspace, error) {
	p, err := driver.Launch(ctx, driver.Command{
		Args:  []string{server, "sandbox", "--no-env-file", "--host", "127.0.0.1", "--port", "{port}", "--extra-channels", strconv.Itoa(o.channels), "--extra-users", strconv.Itoa(o.users)},
		Ready: "/api/api.test",
	})
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(p.Base)
	if err != nil {
		p.Stop()
		return nil, err
	}
	w := &workspace{Process: p}
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
	for line := range strings.Lines(w.Logs()) {
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
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Base+"/api/conversations.list?"+q.Encode(), nil)
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
		return fmt.Errorf("the sandbox at %s lists no channels", w.Base)
	}
	return nil
}

// resolve calls a tool with a channel's name.
func (w *workspace) resolve(ctx context.Context, p *driver.Process, name string) (lookup, error) {
	before := w.pages.Load()
	began := time.Now()
	params := `"name":"slack_read_channel_messages","arguments":{"channel":"#` + name + `","limit":1}`
	// The bot is not in every channel: that Slack was asked for its history shows that
	// the name was found.
	err := driver.Call(ctx, http.DefaultClient, p, "tools/call", "slack_read_channel_messages", params)
	took := time.Since(began)
	if !w.asked.CompareAndSwap(true, false) {
		return lookup{}, fmt.Errorf("#%s was not found: %w", name, err)
	}
	return lookup{took: took, pages: w.pages.Load() - before}, nil
}

func (w *workspace) reset() {
	w.calls.Store(0)
	w.pages.Store(0)
	w.asked.Store(false)
}

func (w *workspace) stop() {
	w.proxy.Close()
	_ = w.Stop()
}

// fillers is how many events are stored at once, so that they share their syncs.
const fillers = 256

// fill stores n messages of about 1 KB in a directory, as a server would that received
// them.
func fill(ctx context.Context, dir string, n int) (err error) {
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	numbers := make(chan int)
	errs := make([]error, fillers)
	var all sync.WaitGroup
	for w := range fillers {
		all.Go(func() {
			for i := range numbers {
				e, err := made(i)
				if err == nil {
					_, err = q.Publish(ctx, e)
				}
				errs[w] = errors.Join(errs[w], err)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	return errors.Join(errs...)
}

// made is a message as Slack sends it.
func made(i int) (event.Event, error) {
	now := time.Now()
	raw := fmt.Appendf(nil, `{"team_id":"T1","api_app_id":"A1","type":"event_callback","event_id":"EvSTART%d","event_time":%d,`+
		`"event":{"type":"message","channel":"C%03d","channel_type":"channel","user":"U%03d","ts":"%d.%06d","text":%q}}`,
		i, now.Unix(), i%200, i%500, now.Unix(), i%1_000_000, strings.Repeat("the quick brown fox jumps over the lazy dog ", 16))
	env, err := event.DecodeSlack(raw, event.JSON)
	env.ReceivedAt = now
	return env.Event, err
}
