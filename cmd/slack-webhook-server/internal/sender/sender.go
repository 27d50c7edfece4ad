package sender

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"slackmcp/webhook/signature"
)

// A Scheme is how a payload is signed.
type Scheme int

const (
	// Slack is Slack's v0 signature with its timestamp.
	Slack Scheme = iota
	// Hex is the hexadecimal HMAC in X-Signature.
	Hex
	// Bearer is the hexadecimal HMAC as a bearer token.
	Bearer
)

// Options are what New needs. URL and Secret are required.
type Options struct {
	URL    string
	Scheme Scheme
	Secret string
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
	s.sign(request.Header, body)
	if attempt > 0 && s.options.Scheme == Slack {
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

func (s *Sender) sign(h http.Header, body []byte) {
	switch s.options.Scheme {
	case Slack:
		signature.SignSlack(h, s.options.Secret, time.Now(), body)
	case Hex:
		h.Set("X-Signature", signature.SignHex(s.options.Secret, body))
	case Bearer:
		h.Set("Authorization", "Bearer "+signature.SignHex(s.options.Secret, body))
	}
}
