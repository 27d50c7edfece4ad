package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/store/sqlite"
	"slackmcp/test/internal/driver"
	"slackmcp/webhook/event"
)

// A read is one kind of read.
type read struct {
	name string
	do   func(ctx context.Context, p *driver.Process) error
}

// time does it some times.
func (r read) time(ctx context.Context, p *driver.Process, calls int) (timing, error) {
	var took []time.Duration
	var cpu time.Duration
	const first = 4 // They ask for names.
	for i := range calls + first {
		if i == first {
			cpu = p.CPU()
		}
		began := time.Now()
		if err := r.do(ctx, p); err != nil {
			return timing{}, err
		}
		if i >= first {
			took = append(took, time.Since(began))
		}
	}
	t := timingOf(r.name, took)
	t.cpu = (p.CPU() - cpu) / time.Duration(calls)
	return t, nil
}

func timingOf(name string, took []time.Duration) timing {
	slices.Sort(took)
	return timing{name: name, p50: took[len(took)/2], p95: took[len(took)*95/100]}
}

// commandLine is in the names of the reads that start a process.
const commandLine = "events list"

// reads are what is measured. One event of long ago, and nothing, are what costs most to find.
func reads(server, data string) []read {
	list := func(what, args string) read {
		return read{"slack_list_events, " + what, func(ctx context.Context, p *driver.Process) error {
			return driver.Call(ctx, http.DefaultClient, p, "tools/call", "slack_list_events", `"name":"slack_list_events","arguments":{`+args+`}`)
		}}
	}
	return []read{
		list("the newest 50", ``),
		list("a type that is rare", `"types":["team_rename"]`),
		list("a type that never came", `"types":["emoji_changed"]`),
		list("a channel with one old event", `"channel":"C0CROWD0000299"`),
		list("a channel with none", `"channel":"C0CROWD0000298"`),
		list("a thread of long ago", `"channel":"C0CROWD0000007","thread":"1700000000.000007"`),
		list("a person with one old event", `"user":"U0CROWD0004999"`),
		list("a person and a channel that never met", `"user":"U0CROWD0004999","channel":"C0CROWD0000007"`),
		list("words that were said once, long ago", `"query":"`+once+`"`),
		list("words that nobody said", `"query":"quoz flimp"`),
		list("a common word", `"query":"`+common+`"`),
		list("until an old time", `"until":"`+began.Add(90*time.Second).Format(time.RFC3339)+`"`),
		{"resource of a channel with one old event", func(ctx context.Context, p *driver.Process) error {
			uri := "slack://channels/C0CROWD0000299/events"
			return driver.Call(ctx, http.DefaultClient, p, "resources/read", uri, `"uri":"`+uri+`"`)
		}},
		{commandLine + " of a channel with none", func(ctx context.Context, _ *driver.Process) error {
			out, err := exec.CommandContext(ctx, server, "events", "list", "--no-env-file", "--data-dir", data, "--channel", "C0CROWD0000298").CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}},
	}
}

// began is when the first event came; one comes each second.
var began = time.Now().Add(-20 * 24 * time.Hour).Truncate(time.Second)

// least is how many events there are at least: those that are looked for are among them.
const least = 1000

// fillers is how many events are stored at once, so that they share their syncs.
const fillers = 512

// fill stores the events from one number on to another, as a server would that received them.
func fill(ctx context.Context, dir string, from, to int) (err error) {
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir, RetentionCount: 2_000_000})
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
	for i := from; i < to; i++ {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	return errors.Join(errs...)
}

// made is an event as Slack sends it: a message of about 1 KB, every tenth in a thread.
func made(i int) (event.Event, error) {
	at := began.Add(time.Duration(i) * time.Second)
	typ, channel, user, thread, text := "message", fmt.Sprintf("C0CROWD%07d", i/60%298), fmt.Sprintf("U0CROWD%07d", i*7%10), "", textOf(i)
	switch {
	case i == 500:
		channel = "C0CROWD0000299"
	case i == 501:
		user = "U0CROWD0004999"
	case i == 502:
		typ = "team_rename"
	case i == 503:
		text += " " + once
	case i == 427:
		channel, thread = "C0CROWD0000007", `"thread_ts":"1700000000.000007",`
	case i%10 == 0:
		thread = fmt.Sprintf(`"thread_ts":"%d.%06d",`, at.Unix()-int64(i%1000), i%100)
	}
	raw := fmt.Appendf(nil, `{"team_id":"T1","api_app_id":"A1","type":"event_callback","event_id":"EvGROW%d","event_time":%d,`+
		`"event":{"type":%q,"channel":%q,"channel_type":"channel","user":%q,%s"ts":"%d.%06d","text":%q,`+
		`"blocks":[{"type":"rich_text","block_id":"b%d","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":%q}]}]}]}`,
		i, at.Unix(), typ, channel, user, thread, at.Unix(), i%1_000_000, text, i, text)
	raw = fmt.Appendf(raw, `,"event_context":%q}`, strings.Repeat("4-eyJldCI6Im1lc3NhZ2UiLCJ0aWQiOi", 1+max(0, 1000-len(raw))/32))
	env, err := event.DecodeSlack(raw, event.JSON)
	env.ReceivedAt = at
	return env.Event, err
}

// The words that are looked for: once is in one message, and common in most.
const (
	once   = "heliotrope"
	common = "ba"
)

// vocabulary is how many words there are.
const vocabulary = 20_000

// textOf is what a message says: 22 words, of which few are common and many are rare.
func textOf(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 22)) // The same texts every time.
	var text strings.Builder
	for range 22 {
		for n := int(math.Pow(vocabulary, r.Float64())) - 1; ; n /= 60 {
			text.WriteString(string("bdfgklmnprst"[n%12]) + string("aeiou"[n/12%5]))
			if n < 60 {
				break
			}
		}
		text.WriteByte(' ')
	}
	return strings.TrimSpace(text.String())
}
