package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// maxEcho is how many bytes of a request are echoed to who has not signed it.
const maxEcho = 1 << 10

// What is echoed is text, in the alphabet of the sender's own challenges, so that no reader takes it for a page.
const (
	wordBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	textBytes = wordBytes + " :,;=+/~()"
)

var plainText = []string{"text/plain; charset=utf-8"}

// echo answers a challenge with itself.
func (v *delivery) echo(challenge, alphabet string) (o Outcome, reason string) {
	if challenge == "" || len(challenge) > maxEcho || strings.Trim(challenge, alphabet) != "" {
		return Invalid, "challenge"
	}
	v.reply, v.replyType = []byte(challenge), plainText
	return Challenge, ""
}

// A greeter is the greet of an endpoint.
type greeter func(v *delivery, w http.ResponseWriter, r *http.Request) (o Outcome, reason string)

// greeting returns how a sender is answered that asks without a signature; nil where it does not ask.
func greeting(h provider.Handshake, verifyToken string) greeter {
	switch h { //nolint:exhaustive // The others ask with a signature.
	case provider.Meta:
		return func(v *delivery, _ http.ResponseWriter, r *http.Request) (Outcome, string) {
			return greetMeta(v, r, verifyToken)
		}
	case provider.Dropbox:
		return func(v *delivery, _ http.ResponseWriter, r *http.Request) (Outcome, string) {
			if r.Method != http.MethodGet {
				return "", ""
			}
			return v.echo(r.URL.Query().Get("challenge"), wordBytes)
		}
	case provider.Graph:
		return func(v *delivery, _ http.ResponseWriter, r *http.Request) (Outcome, string) {
			if q := r.URL.Query(); r.Method == http.MethodPost && q.Has("validationToken") {
				return v.echo(q.Get("validationToken"), textBytes)
			}
			return "", ""
		}
	case provider.CloudEvents, provider.EventGrid:
		return greetCloudEvents
	case provider.Head:
		return func(_ *delivery, _ http.ResponseWriter, r *http.Request) (Outcome, string) {
			if r.Method == http.MethodHead {
				return Challenge, ""
			}
			return "", ""
		}
	}
	return nil
}

// greetMeta echoes hub.challenge to who knows the verify token.
func greetMeta(v *delivery, r *http.Request, verifyToken string) (o Outcome, reason string) {
	if r.Method != http.MethodGet || verifyToken == "" {
		return "", ""
	}
	q := r.URL.Query()
	said, known := sha256.Sum256([]byte(q.Get("hub.verify_token"))), sha256.Sum256([]byte(verifyToken))
	if !hmac.Equal(said[:], known[:]) || q.Get("hub.mode") != "subscribe" {
		return BadSignature, "mismatch"
	}
	return v.echo(q.Get("hub.challenge"), wordBytes)
}

// greetCloudEvents tells an origin that it may send, as the specification of CloudEvents has it
// (github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md).
func greetCloudEvents(_ *delivery, w http.ResponseWriter, r *http.Request) (o Outcome, reason string) {
	if r.Method != http.MethodOptions {
		return "", ""
	}
	origin := r.Header.Values("WebHook-Request-Origin")
	if len(origin) != 1 || len(origin[0]) > maxEcho || strings.Trim(origin[0], wordBytes+":*") != "" {
		return Invalid, "origin"
	}
	w.Header().Set("WebHook-Allowed-Origin", origin[0])
	w.Header().Set("WebHook-Allowed-Rate", "*")
	w.Header()["Allow"] = allowPost
	return Challenge, ""
}

// A handshaker answers a verified request that is no event. An empty outcome says that it is one.
type handshaker func(v *delivery) (o Outcome, reason string)

// handshake returns how a sender is answered that asks with a signature; nil where it does not ask.
func (rc *Receiver) handshake(h provider.Handshake) handshaker {
	switch h { //nolint:exhaustive // The others ask without a signature.
	case provider.Slack:
		return func(v *delivery) (Outcome, string) {
			if v.member("type") != "url_verification" {
				return "", ""
			}
			return v.challenge(v.member("challenge"))
		}
	case provider.Twitch:
		return func(v *delivery) (Outcome, string) {
			if v.header.Get("Twitch-Eventsub-Message-Type") != "webhook_callback_verification" {
				return "", ""
			}
			return v.echo(v.member("challenge"), textBytes)
		}
	case provider.Discord:
		return func(v *delivery) (Outcome, string) {
			if v.member("type") != "0" {
				return "", ""
			}
			v.noContent = true
			return Challenge, ""
		}
	case provider.Zoom:
		return zoomed
	case provider.EventGrid:
		return eventGridded
	case provider.SNS:
		return rc.confirmSNS
	}
	return nil
}

// member returns a text of the body, or "".
func (v *delivery) member(path string) string {
	p, err := event.ParsePath(path)
	if err != nil {
		return ""
	}
	text, _ := p.Find(v.body)
	return text
}

// answerJSON answers a handshake with an object.
func (v *delivery) answerJSON(members map[string]string) (o Outcome, reason string) {
	b, err := json.Marshal(members)
	if err != nil {
		return IllFormed, "challenge" // Texts can always be written.
	}
	v.reply = b
	return Challenge, ""
}

// zoomed proves to Zoom that we know the secret.
func zoomed(v *delivery) (o Outcome, reason string) {
	if v.member("event") != "endpoint.url_validation" {
		return "", ""
	}
	plain := v.member("payload.plainToken")
	if plain == "" || len(plain) > maxEcho || strings.Trim(plain, wordBytes) != "" {
		return Invalid, "plainToken"
	}
	return v.answerJSON(map[string]string{"plainToken": plain, "encryptedToken": v.endpoint.verifier.SumHex(v.Secret-1, plain)})
}

// eventGridded answers the validation event of Azure Event Grid.
func eventGridded(v *delivery) (o Outcome, reason string) {
	if v.member("0.eventType") != "Microsoft.EventGrid.SubscriptionValidationEvent" {
		return "", ""
	}
	code := v.member("0.data.validationCode")
	if code == "" || len(code) > maxEcho {
		return Invalid, "validationCode"
	}
	return v.answerJSON(map[string]string{"validationResponse": code})
}

// confirmTimeout bounds how long a sender that asks for a confirmation waits.
const confirmTimeout = 5 * time.Second

// confirmSNS confirms a subscription of the topic, which a verified message asks for.
func (rc *Receiver) confirmSNS(v *delivery) (o Outcome, reason string) {
	address := signature.SNSConfirmation(v.body)
	if address == "" {
		return "", ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), confirmTimeout)
	defer cancel()
	if _, err := rc.fetch(ctx, address); err != nil {
		return Unavailable, "confirmation"
	}
	v.reply = v.endpoint.accepted
	return Challenge, ""
}

// fetcher returns what gets the documents of senders.
func (rc *Receiver) fetcher() (signature.Fetcher, error) {
	if rc.opt.Fetch != nil {
		return rc.opt.Fetch, nil
	}
	client, err := egress.New(egress.Options{HTTPSOnly: true, Timeout: confirmTimeout})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, url string) ([]byte, error) {
		reply, err := client.Get(ctx, url, nil)
		if err != nil {
			return nil, err
		}
		if !reply.OK() || reply.Cut {
			return nil, fmt.Errorf("the sender answered %d", reply.Status)
		}
		return reply.Body, nil
	}, nil
}
