package checkup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/cmd/slack-webhook-server/internal/sender"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
)

// store asks the queue backend how it is. Nothing is published, and no store is made.
func (o *Online) store(ctx context.Context) Item {
	q := o.Config.Queue
	switch {
	case q.Backend == config.Memory:
		return Item{"store", OK, "memory: it is inside the server, and there is nothing to ask", ""}
	case q.Backend == config.SQLite && !sqlite.Exists(filepath.Clean(q.DataDir), q.Topic):
		return Item{"store", OK, "sqlite: none yet; the server will make it in " + plain.Text(q.DataDir), ""}
	}
	s, err := server.OpenStore(ctx, o.Config, nil)
	if errors.Is(err, queue.ErrLocked) {
		return o.running(ctx)
	}
	if err != nil {
		return Item{"store", Failed, fmt.Sprintf("%s: %s", q.Backend, plain.Text(err.Error())), remedy(q.Backend)}
	}
	stats, err := s.Stats(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return Item{"store", Failed, fmt.Sprintf("%s: %s", q.Backend, plain.Text(err.Error())), remedy(q.Backend)}
	}
	var waiting, dead int64
	for _, g := range stats.Groups {
		waiting, dead = waiting+g.Waiting, dead+g.Dead
	}
	return Item{"store", OK, counts(stats.Backend, stats.Events, waiting, dead) + "; " + stats.Durability, ""}
}

func remedy(b config.Backend) string {
	switch b {
	case config.Redis:
		return "check REDIS_URL, and that Redis runs and can be reached from here"
	case config.NATS:
		return "check NATS_URL, and that NATS runs and can be reached from here"
	case config.SQLite, config.Memory:
	}
	return "check DATA_DIR, its disk and its permissions"
}

func counts(backend string, events, waiting, dead int64) string {
	return fmt.Sprintf("%s: events %d, waiting %d, dead letters %d", backend, events, waiting, dead)
}

// detailed is what is read of a running server's answer.
type detailed struct {
	Status string `json:"status"`
	Queue  struct {
		Backend string `json:"backend"`
		Events  int64  `json:"events"`
		Groups  []struct {
			Name    string `json:"name"`
			Waiting int64  `json:"waiting"`
			Dead    int64  `json:"dead_letters"`
			Stalled bool   `json:"stalled"`
		} `json:"groups"`
	} `json:"queue"`
}

// running asks the server that owns the store.
func (o *Online) running(ctx context.Context) Item {
	const found = "sqlite: in use by a running server"
	address := server.HealthURL(o.Config)
	if address == "" {
		return Item{"store", Warning, found + ", whose port is not known", "set PORT to the port of the server"}
	}
	d, status, err := health(ctx, address)
	if err != nil {
		return Item{"store", Failed, found + ", which does not answer at " + address + ": " + plain.Text(err.Error()), "check it with the settings of that server, or stop it"}
	}
	item := Item{Name: "store", Status: OK}
	var waiting, dead int64
	for _, g := range d.Queue.Groups {
		waiting, dead = waiting+g.Waiting, dead+g.Dead
		if g.Stalled {
			item.Status, item.Remedy = Warning, "group "+plain.Text(g.Name)+" is stalled: look at the server's log"
		}
	}
	item.Found = found + ", " + plain.Text(d.Status) + "; " + counts(plain.Text(d.Queue.Backend), d.Queue.Events, waiting, dead)
	if status != http.StatusOK || d.Status != "healthy" {
		item.Status, item.Remedy = Failed, "look at the log of the server"
	}
	return item
}

func health(ctx context.Context, address string) (d detailed, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return d, 0, err
	}
	client := server.ProbeClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return d, 0, err
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&d); err != nil {
		return d, response.StatusCode, fmt.Errorf("status %d is no health answer: %w", response.StatusCode, err)
	}
	return d, response.StatusCode, nil
}

// eventsPath is where Slack posts.
const eventsPath = "/slack/events"

// roundTrips post what Slack posts when a request URL is entered: once signed well, once
// by a sender that does not have the secret.
func (o *Online) roundTrips(ctx context.Context) []Item {
	const name = "public url"
	address := o.URL
	if address == "" {
		address = o.Config.Listen.PublicURL
	}
	switch {
	case !o.Config.Slack.SigningSecrets.IsSet() && o.Config.Slack.SocketMode:
		return []Item{{name, OK, "not asked: Slack's events come over Socket Mode", ""}}
	case !o.Config.Slack.SigningSecrets.IsSet():
		return []Item{{name, OK, "not asked: without SLACK_SIGNING_SECRET nothing comes from Slack", ""}}
	case address == "":
		return []Item{{name, Warning, "not asked: it is not known", "set PUBLIC_URL, or give --url, to see whether Slack can reach the server"}}
	}
	if address = strings.TrimRight(address, "/"); !strings.HasSuffix(address, eventsPath) {
		address += eventsPath
	}
	good := within(ctx, func(ctx context.Context) Item {
		return o.challenge(ctx, address, o.Config.Slack.SigningSecrets[0].Reveal())
	})
	if good.Status == Failed {
		return []Item{good}
	}
	return []Item{good, within(ctx, func(ctx context.Context) Item { return o.forged(ctx, address) })}
}

// challenge wants what it sent to come back.
func (o *Online) challenge(ctx context.Context, address, secret string) Item {
	word := rand.Text()
	answer, err := o.post(ctx, address, secret, word)
	item := Item{Name: "public url", Status: Failed}
	if err != nil {
		item.Found, item.Remedy = "no answer: "+plain.Text(err.Error()), "check that the server runs, and that the address, its DNS, its certificate and the proxy lead to it"
		return item
	}
	var body struct {
		Challenge string `json:"challenge"`
	}
	// An answer that is not JSON may still be the bare challenge, which Slack takes too.
	_ = json.Unmarshal(answer.Body, &body)
	switch {
	case answer.Status == http.StatusOK && (body.Challenge == word || strings.TrimSpace(string(answer.Body)) == word):
		return Item{Name: item.Name, Status: OK, Found: "a signed challenge came back from " + plain.Text(address) + " in " + answer.Took.Round(time.Millisecond).String()}
	case answer.Status == http.StatusUnauthorized:
		item.Found, item.Remedy = "the signature was refused (401)", "give the server there this SLACK_SIGNING_SECRET, and set its clock"
	case answer.Status == http.StatusOK:
		item.Found, item.Remedy = "200 came back without the challenge", "check that the address leads to this server, and to nothing that answers in its place"
	default:
		item.Found, item.Remedy = fmt.Sprintf("status %d came back", answer.Status), "check that the address is the server's, and that the proxy passes on "+eventsPath
	}
	return item
}

// forged wants to be refused.
func (o *Online) forged(ctx context.Context, address string) Item {
	const name = "wrong signature"
	answer, err := o.post(ctx, address, rand.Text(), rand.Text())
	switch {
	case err != nil:
		return Item{name, Failed, "no answer: " + plain.Text(err.Error()), "try again"}
	case answer.Status == http.StatusUnauthorized:
		return Item{Name: name, Status: OK, Found: "refused (401)"}
	}
	return Item{name, Failed, fmt.Sprintf("status %d came back, not 401", answer.Status), "do not trust the events of this address: something there takes what is not Slack's"}
}

func (o *Online) post(ctx context.Context, address, secret, word string) (sender.Answer, error) {
	s, err := sender.New(sender.Options{URL: address, Secret: secret, Timeout: Limit})
	if err != nil {
		return sender.Answer{}, err
	}
	payload, err := json.Marshal(map[string]string{"type": "url_verification", "challenge": word})
	if err != nil {
		return sender.Answer{}, err
	}
	answer, err := s.Send(ctx, payload, 0)
	if err == nil {
		o.dates.heard("the public address", answer.Date)
	}
	return answer, err
}
