package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"slackmcp/store/redis"
)

const canary = "c4nary-pa%55word"

// TestURLNeverShows opens every kind of URL that is wrong or leads nowhere, with a
// password in it, and looks for the password in what is said about it.
func TestURLNeverShows(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"no server":                "redis://u:" + canary + "@127.0.0.1:1/0",
		"no server, TLS":           "rediss://u:" + canary + "@127.0.0.1:1/0",
		"no sentinel there":        "redis://u:" + canary + "@127.0.0.1:1/0?master_name=m&password=" + canary,
		"no cluster there":         "redis://u:" + canary + "@127.0.0.1:1?addr=127.0.0.1:2",
		"not a URL":                "redis://u:" + canary + "@127.0.0.1:port/0",
		"bad escape":               "redis://u:%zz" + canary + "@127.0.0.1/0",
		"another scheme":           "http://u:" + canary + "@127.0.0.1:1",
		"bad database":             "redis://u:" + canary + "@127.0.0.1:1/" + canary,
		"unknown parameter":        "redis://u:" + canary + "@127.0.0.1:1/0?nonsense=1",
		"sentinel and cluster":     "redis://u:" + canary + "@127.0.0.1:1/0?master_name=m&cluster=true",
		"bad address":              "redis://u:" + canary + "@127.0.0.1:1?addr=" + canary,
		"password as the user":     "redis://" + canary + "@127.0.0.1:port",
		"slash in the password":    "redis://u:" + canary + "/x@127.0.0.1:1/0",
		"a password and no scheme": "u:" + canary + "@127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
			q, err := redis.Open(ctx, redis.Options{URL: url, Logger: logger})
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
	for field, o := range map[string]redis.Options{
		"URL":            {},
		"MaxConnections": {URL: "redis://h", MaxConnections: 1},
		"Topic":          {URL: "redis://h", Topic: "a}b"},
		"DedupeTTL":      {URL: "redis://h", DedupeTTL: -1},
		"RetentionCount": {URL: "redis://h", RetentionCount: -1},
		"Lease":          {URL: "redis://h", Lease: time.Millisecond},
	} {
		q, err := redis.Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Open(%+v) = %v, %v, want an error that names %s", o, q, err, field)
		}
	}
}
