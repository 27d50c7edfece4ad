package checkup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/cmd/slack-webhook-server/internal/sender"
)

// eventsPath is where Slack posts.
const eventsPath = "/slack/events"

// roundTrips post what Slack posts when a request URL is entered: once signed well, once
// by somebody who has not the secret.
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
