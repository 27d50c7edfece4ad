// Package sender plays the one who posts: it makes an event as Slack would send it,
// signs it, posts it, and reports the answer.
//
// It promises signatures that a correct receiver accepts, and that it follows no
// redirect and waits no longer than its timeout. It does not retry by itself: that is
// Slack's part, which the sandbox plays.
package sender

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slackmcp/webhook/signature"
)

// Options are what New needs. URL and Secret are required.
type Options struct {
	URL    string
	Secret string
	// Scheme is how a payload is signed; nil is Slack's way.
	Scheme signature.Scheme
	// SignedURL is the address that the sender knows, where it signs one; "" is URL.
	SignedURL string
	// ID is that of each delivery, where the scheme has one; "" makes one of the body.
	ID string
	// Header is sent besides.
	Header http.Header
	// Form posts each payload as the field payload of a form, as Slack posts
	// interactions, instead of as JSON.
	Form bool
	// Timeout bounds one post; 0 means ten seconds.
	Timeout time.Duration
}

// A Sender posts signed payloads to one address. It is safe for concurrent use.
type Sender struct {
	options Options
	client  *http.Client
}

// New checks the options.
func New(o Options) (*Sender, error) {
	if o.URL == "" || o.Secret == "" {
		return nil, errors.New("sender: URL and Secret are required")
	}
	if o.Scheme == nil {
		o.Scheme = signature.SlackV0
	}
	if o.SignedURL == "" {
		o.SignedURL, _, _ = strings.Cut(o.URL, "?")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	return &Sender{options: o, client: &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// An Answer is what a receiver answered.
type Answer struct {
	Status int
	// Body is cut after 64 KiB.
	Body []byte
	Took time.Duration
	// Date is the receiver's clock in whole seconds; zero where it did not say.
	Date time.Time
}

// Accepted reports whether Slack would take the answer for a success.
func (a Answer) Accepted() bool { return a.Status >= 200 && a.Status < 300 }

// maxAnswer is more than any receiver has to say.
const maxAnswer = 64 << 10

// Send signs the payload anew and posts it. attempt counts from 0; a later one carries
// Slack's headers of a retry.
func (s *Sender) Send(ctx context.Context, payload []byte, attempt int) (Answer, error) {
	body, mediaType := payload, "application/json"
	if s.options.Form {
		body, mediaType = []byte(url.Values{"payload": {string(payload)}}.Encode()), "application/x-www-form-urlencoded"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.options.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", mediaType)
	request.Header.Set("User-Agent", "slack-webhook-server send")
	maps.Copy(request.Header, s.options.Header)
	sum := sha256.Sum256(body) // the same for each copy of a delivery
	id := cmp.Or(s.options.ID, "msg_"+hex.EncodeToString(sum[:12]))
	err = signature.Sign(s.options.Scheme, s.options.Secret, signature.Posting{
		Request: request, Body: body, ID: id, At: time.Now(), URL: s.options.SignedURL,
	})
	if err != nil {
		return Answer{}, &UnsignedError{err}
	}
	if attempt > 0 && s.options.Scheme == signature.SlackV0 {
		request.Header.Set("X-Slack-Retry-Num", strconv.Itoa(attempt))
		request.Header.Set("X-Slack-Retry-Reason", "http_timeout")
	}
	begun := time.Now()
	response, err := s.client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()           // what matters was read
	date, _ := http.ParseTime(response.Header.Get("Date")) // an unreadable one is none
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return Answer{Status: response.StatusCode, Body: answer, Took: time.Since(begun), Date: date}, err
}

// An UnsignedError says that nothing was posted, because only the sender itself can sign it.
type UnsignedError struct{ Err error }

// Error says why.
func (e *UnsignedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnsignedError) Unwrap() error { return e.Err }

// A Message describes an event to make up.
type Message struct {
	// Type is the event's type, or type/subtype; "url_verification" makes Slack's
	// challenge. Empty is "message".
	Type string
	Text string
	// Channel, User and Team are Slack's ids.
	Channel, User, Team string
}

// Payload returns the body that Slack would post for the message at an instant, with
// an event id that no other payload has, and that id.
func (m Message) Payload(at time.Time) (body []byte, id string, err error) {
	kind, subtype, _ := strings.Cut(m.Type, "/")
	if kind == "url_verification" {
		body, err = json.Marshal(map[string]string{"type": kind, "challenge": rand.Text(), "token": verificationToken})
		return body, "", err
	}
	id = "Ev" + rand.Text()[:12]
	body, err = json.Marshal(envelope{
		Token: verificationToken, TeamID: m.Team, AppID: "A0SENDER00", Event: m.event(kind, subtype, at),
		Type: "event_callback", ID: id, Time: at.Unix(),
	})
	return body, id, err
}

// verificationToken is a field that Slack deprecated and still sends.
const verificationToken = "sent-by-hand"

type envelope struct {
	Token  string         `json:"token"`
	TeamID string         `json:"team_id"`
	AppID  string         `json:"api_app_id"`
	Event  map[string]any `json:"event"`
	Type   string         `json:"type"`
	ID     string         `json:"event_id"`
	Time   int64          `json:"event_time"`
}

// event is the inner event, in the shape of its type.
func (m Message) event(kind, subtype string, at time.Time) map[string]any {
	ts := fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
	e := map[string]any{"type": kind, "user": m.User, "event_ts": ts}
	if subtype != "" {
		e["subtype"] = subtype
	}
	switch kind {
	case "reaction_added", "reaction_removed":
		e["reaction"] = m.Text
		e["item"] = map[string]string{"type": "message", "channel": m.Channel, "ts": ts}
	case "message":
		e["channel_type"] = channelType(m.Channel)
		fallthrough
	default:
		e["channel"], e["text"], e["ts"] = m.Channel, m.Text, ts
	}
	return e
}

// channelType is what Slack says of a conversation with an id of this letter.
func channelType(channel string) string {
	switch {
	case strings.HasPrefix(channel, "D"):
		return "im"
	case strings.HasPrefix(channel, "G"):
		return "group"
	}
	return "channel"
}

// A Batch sends a payload, or several made-up messages, and prints the answers.
type Batch struct {
	Sender *Sender
	// Payload is what to send; nil makes Message up, Count times.
	Payload []byte
	Message Message
	// Count and Repeat begin at 1: Repeat is how often each payload is sent.
	Count, Repeat int
	// JSON prints one object a line instead of a line for people.
	JSON bool
}

// report is one line of output.
type report struct {
	EventID    string `json:"event_id,omitempty"`
	Attempt    int    `json:"attempt"`
	Status     int    `json:"status"`
	Body       string `json:"body"`
	DurationMS int64  `json:"duration_ms"`
}

// Send posts one after the other and writes a line for each answer. It stops at the
// first post that gets no answer; answers that are no success make an error at the end.
func (b Batch) Send(ctx context.Context, w io.Writer) error {
	refused, sent := 0, 0
	for range b.Count {
		body, id, err := b.next()
		if err != nil {
			return err
		}
		for attempt := range b.Repeat {
			answer, err := b.Sender.Send(ctx, body, attempt)
			if err != nil {
				return unanswered(err)
			}
			if sent++; !answer.Accepted() {
				refused++
			}
			if err := b.print(w, report{id, attempt, answer.Status, strings.TrimSpace(string(answer.Body)), answer.Took.Milliseconds()}); err != nil {
				return err
			}
		}
	}
	if refused > 0 {
		return fmt.Errorf("the server refused %d of %d", refused, sent)
	}
	return nil
}

// unanswered says why there is no answer, and the remedy.
func unanswered(err error) error {
	if _, unsigned := errors.AsType[*UnsignedError](err); unsigned {
		return err
	}
	return fmt.Errorf("no answer: %w: start the server, or give its address with --url", err)
}

func (b Batch) next() (body []byte, id string, err error) {
	if b.Payload == nil {
		return b.Message.Payload(time.Now())
	}
	var envelope struct {
		ID string `json:"event_id"`
	}
	_ = json.Unmarshal(b.Payload, &envelope) // what is no JSON is sent all the same, without an id to show
	return b.Payload, envelope.ID, nil
}

func (b Batch) print(w io.Writer, r report) error {
	if b.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintln(w, r.Status, r.Body, r.EventID)
	return err
}
