package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/webhook/signature"
)

// A sent is what came of a load.
type sent struct {
	acked      []string // ids that were answered 200
	took       []time.Duration
	unanswered int
	refused    error // the first answer that was not 200
}

// blast sends events over so many connections, as fast as they are answered, until ctx
// ends or the server is gone.
func (c *child) blast(ctx context.Context, connections int) sent {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	run, next := rand.Text()[:8], new(atomic.Int64)
	var (
		all sync.WaitGroup
		mu  sync.Mutex
		sum sent
	)
	for range connections {
		all.Go(func() {
			one := c.send(ctx, client, run, next)
			mu.Lock()
			defer mu.Unlock()
			sum.acked = append(sum.acked, one.acked...)
			sum.took = append(sum.took, one.took...)
			sum.unanswered += one.unanswered
			if sum.refused == nil {
				sum.refused = one.refused
			}
		})
	}
	all.Wait()
	return sum
}

// send is one connection's share.
func (c *child) send(ctx context.Context, client *http.Client, run string, next *atomic.Int64) (s sent) {
	for ctx.Err() == nil {
		id := "EvBENCH" + run + strconv.FormatInt(next.Add(1), 10)
		at := time.Now()
		status, err := c.post(context.WithoutCancel(ctx), client, id)
		switch {
		case err != nil: // the server was killed
			s.unanswered++
			return s
		case status != http.StatusOK:
			s.refused = fmt.Errorf("an event was answered %d", status)
			return s
		}
		s.acked = append(s.acked, id)
		s.took = append(s.took, time.Since(at))
	}
	return s
}

// post sends one message of about 1 KB, as Slack does. Its ctx is not bounded by the load's
// time, so that each event is either answered or not: an answer takes six seconds at
// most, or the server is broken.
func (c *child) post(ctx context.Context, client *http.Client, id string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*slackWaits)
	defer cancel()
	now := time.Now()
	body := fmt.Appendf(nil, `{"team_id":"T0BENCH","api_app_id":"A0BENCH","type":"event_callback","event_id":%q,"event_time":%d,`+
		`"event":{"type":"message","channel":"C0BENCH","channel_type":"channel","user":"U0BENCH","ts":"%d.%06d","text":%q},`+
		`"authorizations":[{"team_id":"T0BENCH","user_id":"U0BOT","is_bot":true}],"event_context":"4-bench"}`,
		id, now.Unix(), now.Unix(), now.Nanosecond()/1000, filler)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/slack/events", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	signature.SignSlack(req.Header, c.secret, now, body)
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end below
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// filler makes an event as long as a usual message.
var filler = strings.Repeat("the quick brown fox jumps over the lazy dog ", 14)
