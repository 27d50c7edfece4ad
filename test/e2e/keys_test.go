package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/signin/slack"
	"slackmcp/store/nats"
	"slackmcp/store/redis"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
)

// values opens the small values of a store as its server would.
func values(t *testing.T, backend string, at place) (state.Store, func()) {
	t.Helper()
	closing := func(c interface{ Close() error }) func() {
		return func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	url := ""
	if len(at.env) > 0 {
		_, url, _ = strings.Cut(at.env[0], "=")
	}
	switch backend {
	case "redis":
		s, err := redis.Open(t.Context(), redis.Options{URL: url, StateOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		return s.State(), closing(s)
	case "nats":
		s, err := nats.Open(t.Context(), nats.Options{URL: url, StateOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		return s.State(), closing(s)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: at.data})
	if err != nil {
		t.Fatal(err)
	}
	return s.State(), closing(s)
}

// TestKeysRotateIsKilled seals many rows anew by a command that is killed again and again, and loses
// none.
func TestKeysRotateIsKilled(t *testing.T) {
	t.Parallel()
	const n = 2_000
	for _, backend := range []string{"sqlite", "redis", "nats"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			at := place{env: backendEnv(t, backend), data: shortDir(t)}
			file := filepath.Join(t.TempDir(), "identity.keys")
			older, newer := bytes.Repeat([]byte{1}, seal.KeyBytes), bytes.Repeat([]byte{2}, seal.KeyBytes)
			lines := base64.StdEncoding.EncodeToString(newer) + "\n" + base64.StdEncoding.EncodeToString(older) + "\n"
			if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
				t.Fatal(err)
			}
			prefixes := append(rows.Prefixes(), slack.Prefix)
			key := func(i int) string { return fmt.Sprintf("%srow/%05d", prefixes[i%len(prefixes)], i) }
			sealed := func(s state.Store, with []byte) *seal.Rows {
				ring, err := seal.NewKeyring(with)
				if err != nil {
					t.Fatal(err)
				}
				r, err := seal.NewRows(s, ring)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			s, done := values(t, backend, at)
			for i := range n {
				if _, err := sealed(s, older).Put(t.Context(), key(i), fmt.Append(nil, i), state.Put{}); err != nil {
					t.Fatal(err)
				}
			}
			done()
			kills := 0
			for pause := 30 * time.Millisecond; ; pause += 20 * time.Millisecond {
				cmd := at.cli(t, "keys", "rotate", "--identity-keys-file", file, "-o", "json")
				var out, errs bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &errs
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				kill := time.AfterFunc(pause, func() { _ = cmd.Process.Kill() })
				err := cmd.Wait()
				kill.Stop()
				if err == nil {
					var r struct{ Sealed, Fresh, Lost int }
					if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Sealed+r.Fresh != n || r.Lost != 0 {
						t.Errorf("%s, %v", &out, err)
					}
					t.Logf("%d kills, then %+v", kills, r)
					break
				}
				if cmd.ProcessState.ExitCode() != -1 {
					t.Fatalf("%v: %s", err, &errs)
				}
				kills++
			}
			if kills == 0 {
				t.Error("it was never killed")
			}
			s, done = values(t, backend, at)
			defer done()
			for i := range n {
				if e, err := sealed(s, newer).Get(t.Context(), key(i)); err != nil || string(e.Value) != fmt.Sprint(i) {
					t.Fatalf("row %d: %q, %v", i, e.Value, err)
				}
			}
		})
	}
}
