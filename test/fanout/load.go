package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An event that was posted: when it left, and when it was answered.
type posted struct {
	sentAt, ackedAt time.Time
}

// senders is how many events may be under way at once.
const senders = 32

// load posts events at the rate and returns them in their order. run tells the ids of one
// load from those of another.
func (s settings) load(ctx context.Context, p *process, run string) ([]posted, error) {
	total := int(s.duration.Seconds() * float64(s.rate))
	sent := make([]posted, total)
	errs := make([]error, senders)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	numbers := make(chan int, senders)
	var all sync.WaitGroup
	for w := range senders {
		all.Go(func() {
			for i := range numbers {
				var err error
				if sent[i], err = post(ctx, client, p.base, run, i, channel(i%s.sessions)); err != nil && errs[w] == nil {
					errs[w] = err
				}
			}
		})
	}
	err := s.pace(ctx, total, numbers)
	close(numbers)
	all.Wait()
	return sent, errors.Join(append(errs, err)...)
}

// pace hands the numbers out at the rate. What a busy machine delays is caught up with,
// so that the rate holds over the whole.
func (s settings) pace(ctx context.Context, total int, numbers chan<- int) error {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range total {
		timer.Reset(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(s.rate))))
		select {
		case <-timer.C:
			numbers <- i
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// achieved is how many events a second were answered.
func achieved(sent []posted) float64 {
	if len(sent) < 2 {
		return 0
	}
	first, last := sent[0].sentAt, sent[0].ackedAt
	for _, e := range sent {
		if e.ackedAt.After(last) {
			last = e.ackedAt
		}
	}
	return float64(len(sent)) / last.Sub(first).Seconds()
}

// post sends a message event as Slack does.
func post(ctx context.Context, client *http.Client, base, run string, n int, channel string) (posted, error) {
	now := time.Now()
	body := fmt.Sprintf(`{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"EvFAN%s%d","event_time":%d,`+
		`"event":{"type":"message","channel":"%s","channel_type":"channel","user":"U1","text":"event %d","ts":"%d.%06d"}}`,
		run, n, now.Unix(), channel, n, now.Unix(), n)
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(signingSecret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/slack/events", strings.NewReader(body))
	if err != nil {
		return posted{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	e := posted{sentAt: time.Now()}
	res, err := client.Do(req)
	if err != nil {
		return e, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	e.ackedAt = time.Now()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("event %d was answered %d", n, res.StatusCode)
	}
	return e, err
}
