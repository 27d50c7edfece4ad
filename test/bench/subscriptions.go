//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"slackmcp/test/internal/driver"
)

// aimSubscriptions is what an event may cost at most beside so many subscriptions that match nothing, in what it costs
// beside none.
const aimSubscriptions = 1.3

// compareSubscriptions measures a server with subscriptions that match nothing beside one with none, in the same rounds, and
// writes what an event costs the one in what it costs the other.
func compareSubscriptions(ctx context.Context, o options, stdout, log io.Writer) error {
	hook := httptest.NewServer(http.HandlerFunc(answerChallenge))
	defer hook.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| an event beside %d subscriptions that match nothing, in one beside none | CPU | p50 | p99 | peak memory |\n|---|---:|---:|---:|---:|\n",
		driver.Heading(), o.subscriptions)
	missed := 0
	for _, conns := range []int{1, 32} {
		for _, backend := range []string{"memory", "sqlite"} {
			with := assisting(now, o.server, backend)
			with.prepare = func(ctx context.Context, p *driver.Process) error {
				return subscribe(ctx, p, hook.URL, o.subscriptions)
			}
			c, err := measureEach(ctx, o, []variant{assisting(before, o.server, backend), with}, conns, log)
			if err != nil {
				return err
			}
			b.WriteString(c.row(fmt.Sprintf("%s, connections: %d", backend, conns)))
			if c.ratio(now, before) > aimSubscriptions {
				missed++
			}
		}
	}
	if _, err := io.WriteString(stdout, b.String()); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d of 4 ratios of CPU are over %.1f", missed, aimSubscriptions)
	}
	return nil
}

// assisting is a server that assistants may subscribe at.
func assisting(name, server, backend string) variant {
	v := ours(name, server, backend)
	v.command.Args = append(v.command.Args, "--integrated", "--mcp-transport", "streamable-http", "--events-subscriptions", "1000")
	v.command.Env = append(v.command.Env, "SLACK_BOT_TOKEN=xoxb-bench", "SLACK_API_URL=http://127.0.0.1:1/", "MCP_AUTH_TOKEN="+driver.Token, "EVENTS_CALLBACK_HOSTS=127.0.0.1")
	return v
}

// answerChallenge shows that a callback wants what is posted to it.
func answerChallenge(w http.ResponseWriter, r *http.Request) {
	var body struct{ Challenge string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil || body.Challenge == "" {
		http.Error(w, "an event came that nobody has asked for", http.StatusGone)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"challenge": body.Challenge}) // A server that is gone needs no answer.
}

// subscribe makes n subscriptions, each to the messages of a channel in which nothing is said.
func subscribe(ctx context.Context, p *driver.Process, url string, n int) error {
	web := &http.Client{}
	defer web.CloseIdleConnections()
	for i := range n {
		params := `"name":"message.created","arguments":{"channel":"C0QUIET` + strconv.Itoa(1000+i) + `"},` +
			`"delivery":{"mode":"webhook","url":"` + url + `","secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}`
		if err := driver.Call(ctx, web, p, "events/subscribe", "", params); err != nil {
			return fmt.Errorf("subscription %d: %w", i, err)
		}
	}
	return nil
}
