package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Run delivers events, and posts scheduled messages at their time, until ctx ends. It
// returns nil when nothing is under way. It must run once.
func (s *Sandbox) Run(ctx context.Context) error {
	var clock sync.WaitGroup
	clock.Go(func() { s.runClock(ctx.Done()) })
	defer clock.Wait()
	if err := s.sender.run(ctx); err != nil && !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

// SetRequestURL makes the URL known to which events go, as Slack's app settings do: it
// is asked to echo a challenge, and is taken only when it does. It also takes back an
// automatic disabling. It needs no Run.
func (s *Sandbox) SetRequestURL(ctx context.Context, to string) error {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("sandbox: request URL %q must be absolute", to)
	}
	s.mu.Lock()
	challenge := digest(52, s.newID("challenge"), to)
	verification := s.app.verification
	s.mu.Unlock()
	body, err := json.Marshal(struct {
		Token     string `json:"token"`
		Challenge string `json:"challenge"`
		Type      string `json:"type"`
	}{verification, challenge, "url_verification"})
	if err != nil {
		return fmt.Errorf("sandbox: encode challenge: %w", err)
	}
	a := s.sender.post(ctx, to, body, http.Header{"Content-Type": {"application/json"}})
	if a.attempt.Reason != "" {
		return fmt.Errorf("sandbox: request URL did not answer the challenge: %s, status %d", a.attempt.Reason, a.attempt.Status)
	}
	if got := echoed(a); got != challenge {
		return errors.New("sandbox: request URL answered without the challenge's value")
	}
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	s.sender.url, s.sender.disabled, s.sender.hour = to, false, hour{}
	return nil
}

// echoed is the challenge in an answer: plain text, a form, or JSON.
func echoed(a answer) string {
	mediaType, _, _ := mime.ParseMediaType(a.mediaType)
	text := strings.TrimSpace(string(a.body))
	switch mediaType {
	case "application/json":
		var e struct {
			Challenge string `json:"challenge"`
		}
		if json.Unmarshal(a.body, &e) != nil {
			return ""
		}
		return e.Challenge
	case "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(text)
		if err != nil {
			return ""
		}
		return v.Get("challenge")
	}
	return text
}

// RequestURL is where events go; empty while nobody was told.
func (s *Sandbox) RequestURL() string {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	return s.sender.url
}

// Disabled reports that more than 95 % of at least 1,000 attempts of an hour failed,
// so that nothing is delivered until [Sandbox.SetRequestURL].
func (s *Sandbox) Disabled() bool {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	return s.sender.disabled
}

// Deliveries are the newest 20,000 deliveries, oldest first. The bodies are shared and
// must not be written to.
func (s *Sandbox) Deliveries() []Delivery {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	all := make([]Delivery, len(s.sender.log))
	for i, d := range s.sender.log {
		all[i] = *d
		all[i].Attempts = slices.Clone(d.Attempts)
	}
	return all
}

// Settle waits until no delivery is pending, or for ctx.
func (s *Sandbox) Settle(ctx context.Context) error {
	s.sender.mu.Lock()
	idle := s.sender.idle
	s.sender.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sandbox: deliveries are pending: %w", ctx.Err())
	}
}
