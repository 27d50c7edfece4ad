package driver

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

	"slackmcp/slackapi/sandbox"
)

// Posted is an event that was posted: when it left, and when it was answered.
type Posted struct {
	SentAt, AckedAt time.Time
}

// A Load is a steady rate of events.
type Load struct {
	// Rate is how many are posted a second, for Duration.
	Rate     int
	Duration time.Duration
	// Channels is among how many channels they are spread.
	Channels int
	// Run keeps the ids of one load apart from those of another.
	Run string
}

// senders is how many events may be under way at once.
const senders = 32

// Post posts the events and returns them in their order.
func (l Load) Post(ctx context.Context, p *Process) ([]Posted, error) {
	total := int(l.Duration.Seconds() * float64(l.Rate))
	sent := make([]Posted, total)
	errs := make([]error, senders)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	numbers := make(chan int, senders)
	var all sync.WaitGroup
	for w := range senders {
		all.Go(func() {
			for i := range numbers {
				var err error
				if sent[i], err = PostEvent(ctx, client, p, l.Run, i, Channel(i%l.Channels)); err != nil && errs[w] == nil {
					errs[w] = err
				}
			}
		})
	}
	err := l.pace(ctx, total, numbers)
	close(numbers)
	all.Wait()
	return sent, errors.Join(append(errs, err)...)
}

// pace hands the numbers out at the rate. What a busy machine delays is caught up with,
// so that the rate holds over the whole.
func (l Load) pace(ctx context.Context, total int, numbers chan<- int) error {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range total {
		timer.Reset(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(l.Rate))))
		select {
		case <-timer.C:
			numbers <- i
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Achieved is how many events a second were answered.
func Achieved(sent []Posted) float64 {
	if len(sent) < 2 {
		return 0
	}
	first, last := sent[0].SentAt, sent[0].AckedAt
	for _, e := range sent {
		if e.AckedAt.After(last) {
			last = e.AckedAt
		}
	}
	return float64(len(sent)) / last.Sub(first).Seconds()
}

// Channel is the id of a channel by its number.
func Channel(i int) string { return fmt.Sprintf("C0000%04d", i) }

// Team is the workspace of the events: the sandbox's.
const Team = sandbox.Team

// PostEvent posts one message event as Slack does. Its id is of the run and the number.
func PostEvent(ctx context.Context, client *http.Client, p *Process, run string, n int, channel string) (Posted, error) {
	now := time.Now()
	body := fmt.Sprintf(`{"type":"event_callback","team_id":"`+Team+`","api_app_id":"A1","event_id":"EvFAN%s%d","event_time":%d,`+
		`"event":{"type":"message","channel":"%s","channel_type":"channel","user":"U1","text":"event %d","ts":"%d.%06d"}}`,
		run, n, now.Unix(), channel, n, now.Unix(), n)
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Base+"/slack/events", strings.NewReader(body))
	if err != nil {
		return Posted{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	e := Posted{SentAt: time.Now()}
	res, err := client.Do(req)
	if err != nil {
		return e, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	e.AckedAt = time.Now()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("event %d was answered %d", n, res.StatusCode)
	}
	return e, err
}
