// Package selftest tries a running server from outside: what must get in, what must be
// kept out, and what must be let go. Each [Trial] sends one kind of request and says
// what came back, so that the whole is a card that a person can read.
//
// It stores nothing on the server but one event of type "selftest", sent twice, and not
// even that when asked to. It opens at most a handful of connections at once, and every
// trial has a deadline.
package selftest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
)

// Defaults of Options.
const (
	DefaultTimeout = 10 * time.Second
	DefaultSlow    = 90 * time.Second
)

// together is how many trials run at once.
const together = 4

// Options are what New needs. URL and Secret are required.
type Options struct {
	// URL is where Slack posts; a bare address means /slack/events there.
	URL string
	// Secret is the server's signing secret.
	Secret string
	// MaxBody is the server's bound on a body, in bytes.
	MaxBody int64
	// Tolerance is how far a timestamp may be off there.
	Tolerance time.Duration
	// NoEvents leaves out what would be stored.
	NoEvents bool
	// Timeout bounds a trial, 0 is DefaultTimeout; Slow bounds one that waits for the
	// server to lose patience, 0 is DefaultSlow, and negative leaves those out.
	Timeout, Slow time.Duration
	// Started and Done, unless nil, are called for each trial, one call at a time.
	Started func(name string)
	Done    func(Result)
}

// A Verdict is how a trial ended.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "pass"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// A Result is one line of the card.
type Result struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Want says what should have come back, Got what did.
	Want string `json:"want"`
	Got  string `json:"got"`
	// Remedy says where to look; empty unless it failed.
	Remedy string        `json:"remedy,omitempty"`
	Took   time.Duration `json:"took_ns"`
}

// A Tester tries one server.
type Tester struct {
	o      Options
	base   *url.URL // of the whole server
	events *url.URL // where Slack posts
	client *http.Client
	mu     sync.Mutex // guards the calls of Started and Done
}

// eventsPath is where Slack posts unless the address names another path.
const eventsPath = "/slack/events"

// New checks the options.
func New(o Options) (*Tester, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address is none such as https://events.example.com")
	}
	if o.Secret == "" {
		return nil, errors.New("a signing secret is needed")
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Slow == 0 {
		o.Slow = DefaultSlow
	}
	events := *u
	if strings.Trim(u.Path, "/") == "" {
		events.Path = eventsPath
	}
	base := *u
	base.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), eventsPath)
	return &Tester{o: o, base: &base, events: &events, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: together},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Run makes every trial, some at once, and returns the results in the card's order. It
// ends early, with what it has, when the first trial gets no answer at all: then there
// is no server. The error is ctx's, or that.
func (t *Tester) Run(ctx context.Context) ([]Result, error) {
	defer t.client.CloseIdleConnections()
	trials := t.trials()
	results := make([]Result, len(trials))
	if results[0] = t.try(ctx, trials[0]); results[0].Verdict == Fail {
		return results[:1], fmt.Errorf("%s: %s; the other trials were not made", results[0].Name, results[0].Got)
	}
	places := make(chan struct{}, together)
	var all sync.WaitGroup
	for i, one := range trials[1:] {
		all.Go(func() {
			if !one.slow {
				places <- struct{}{}
				defer func() { <-places }()
			}
			results[i+1] = t.try(ctx, one)
		})
	}
	all.Wait()
	return results, ctx.Err()
}

// try makes one trial within its time.
func (t *Tester) try(ctx context.Context, one trial) Result {
	limit := t.o.Timeout
	if one.slow {
		limit = t.o.Slow
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t.report(func() {
		if t.o.Started != nil {
			t.o.Started(one.name)
		}
	})
	begun := time.Now()
	r := Result{Name: one.name, Want: one.want, Verdict: Pass}
	got, err := one.run(ctx)
	r.Got, r.Took = plain.Text(got), time.Since(begun)
	switch {
	case errors.Is(err, errNotThere):
		r.Verdict = Skip
	case err != nil:
		r.Verdict, r.Remedy = Fail, one.remedy
		if r.Got == "" {
			r.Got = plain.Text(err.Error())
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			r.Remedy = "start the server, or give its address with --url"
		}
	}
	t.report(func() {
		if t.o.Done != nil {
			t.o.Done(r)
		}
	})
	return r
}

func (t *Tester) report(what func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what()
}

// Failures counts the trials that failed.
func Failures(results []Result) int {
	n := 0
	for _, r := range results {
		if r.Verdict == Fail {
			n++
		}
	}
	return n
}

// WriteCard prints the results for people.
func WriteCard(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	counts := map[Verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		mark := map[Verdict]string{Pass: "pass", Fail: "FAIL", Skip: "skip"}[r.Verdict]
		_, _ = fmt.Fprintf(t, "%s\t%s\twant %s\tgot %s\t%s\n", mark, r.Name, r.Want, r.Got, r.Took.Round(time.Millisecond))
		if r.Remedy != "" {
			_, _ = fmt.Fprintf(t, "\t\t%s\n", r.Remedy)
		}
	}
	if err := t.Flush(); err != nil { // reports the first error of all lines
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", counts[Pass], counts[Fail], counts[Skip])
	return err
}

// WriteJSON prints one object.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Failed int      `json:"failed"`
		Trials []Result `json:"trials"`
	}{Failures(results), results})
}
