//go:build unix

package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

const canary = "c4nary-pa%55word"

// TestURLNeverShows opens every kind of URL that is wrong or leads nowhere, with a
// password in it, and looks for the password in what is said about it.
func TestURLNeverShows(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"no server":             "nats://u:" + canary + "@127.0.0.1:1",
		"no server, TLS":        "tls://u:" + canary + "@127.0.0.1:1",
		"a token":               "nats://" + canary + "@127.0.0.1:1",
		"several":               "nats://u:" + canary + "@127.0.0.1:1,nats://v:" + canary + "@127.0.0.1:2",
		"not a URL":             "nats://u:" + canary + "@127.0.0.1:port",
		"bad escape":            "nats://u:%zz" + canary + "@127.0.0.1",
		"another scheme":        "http://u:" + canary + "@127.0.0.1:1",
		"slash in the password": "nats://u:" + canary + "/x@127.0.0.1:1",
		"no scheme":             "u:" + canary + "@127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			q, err := nats.Open(ctx, nats.Options{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err == nil {
				_, err = q.Stats(ctx)
				if err := q.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			said := fmt.Sprint(err) + log.String()
			if err == nil {
				t.Error("nothing was said about a URL that does not work")
			}
			for _, secret := range []string{canary, "c4nary", "paUword"} {
				if strings.Contains(said, secret) {
					t.Errorf("%q shows in: %s", secret, said)
				}
			}
		})
	}
}

func TestOptionsName(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]nats.Options{
		"URL":            {},
		"Topic":          {URL: "nats://h", Topic: strings.Repeat("x", 65)},
		"DedupeTTL":      {URL: "nats://h", DedupeTTL: -1},
		"RetentionCount": {URL: "nats://h", RetentionCount: -1},
		"Lease":          {URL: "nats://h", Lease: time.Millisecond},
		"Replicas":       {URL: "nats://h", Replicas: 6},
	} {
		q, err := nats.Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Open(%+v) = %v, %v, want an error that names %s", o, q, err, field)
		}
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	s := newServerAt(t, "app:secret@", "--user", "app", "--pass", "secret")
	q, err := nats.Open(t.Context(), nats.Options{URL: s.url()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "a", Raw: []byte("{}")}); err != nil {
		t.Errorf("Publish: %v", err)
	}
	wrong := "nats://app:" + canary + "@" + s.Addr()
	if q, err := nats.Open(t.Context(), nats.Options{URL: wrong}); err == nil || strings.Contains(err.Error(), "c4nary") {
		t.Errorf("Open with a wrong password = %v, %v, want a refusal without the password", q, err)
	}
}

// TestNoJetStream: a server without it is refused with the remedy.
func TestNoJetStream(t *testing.T) {
	t.Parallel()
	s := newServerWithout(t)
	if q, err := nats.Open(t.Context(), nats.Options{URL: s.url()}); err == nil || !strings.Contains(err.Error(), "-js") {
		t.Errorf("Open = %v, %v, want the remedy", q, err)
	}
}

// TestTopics: every name goes, and topics share nothing.
func TestTopics(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, topic := range []string{"slack.events", "slack_events", "slack events", "slack.>", "é..*", "$JS.API"} {
		q, err := nats.Open(t.Context(), nats.Options{URL: s.url(), Topic: topic})
		if err != nil {
			t.Fatalf("Open(%q): %v", topic, err)
		}
		r, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "same", Raw: []byte("{}")})
		if err != nil || r.Duplicate {
			t.Errorf("topic %q: Publish = %+v, %v, want it new", topic, r, err)
		}
		stats, err := q.Stats(t.Context())
		if err != nil || stats.Events != 1 || !strings.Contains(stats.Durability, "1 replica") || !strings.Contains(stats.Durability, "sync_interval") {
			t.Errorf("topic %q: Stats = %+v, %v", topic, stats, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLargeEvent: an event that the server cannot take is refused with the remedy.
func TestLargeEvent(t *testing.T) {
	t.Parallel()
	q, err := nats.Open(t.Context(), nats.Options{URL: newServer(t).url()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for size, ok := range map[int]bool{1_000_000: true, 1 << 20: false} {
		_, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: fmt.Sprint(size), Raw: make([]byte, size)})
		if ok && err != nil || !ok && (!errors.Is(err, queue.ErrTooLong) || !strings.Contains(err.Error(), "max_payload")) {
			t.Errorf("Publish of %d bytes: %v, want it taken %v", size, err, ok)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = q.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error {
		cancel()
		return queue.Permanent(fmt.Errorf("no"))
	})
	letters, listErr := q.DeadLetters(t.Context(), "g", queue.LetterQuery{})
	if err != nil || listErr != nil || len(letters) != 1 || len(letters[0].Event.Raw) != 1_000_000 {
		t.Errorf("Consume: %v; DeadLetters: %d, %v, want the large event", err, len(letters), listErr)
	}
}
