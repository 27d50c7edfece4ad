package audit_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/server/audit"
)

//go:generate go test -run ^TestReference$ . -update

var update = flag.Bool("update", false, "write the generated documents anew")

func TestReference(t *testing.T) {
	const path = "../../docs/audit.md"
	want := audit.Reference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with `go generate ./...`", err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale; renew it with `go generate ./...` (-file +tables):\n%s", path, diff)
	}
}

// TestRecordsKeepToTheSchema holds the fields of a line against the documented ones, in
// their order.
func TestRecordsKeepToTheSchema(t *testing.T) {
	var names []string
	for field := range reflect.TypeFor[audit.Record]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	_, table, _ := strings.Cut(audit.Reference(), "## Fields")
	var documented []string
	for line := range strings.Lines(table) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ := strings.Cut(rest, "`")
			documented = append(documented, name)
		}
	}
	if diff := cmp.Diff(documented, names); diff != "" {
		t.Errorf("(-documented +written):\n%s", diff)
	}
}

func lines(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		var m map[string]any
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		all = append(all, m)
	}
	return all
}

// TestRotation moves the file away, as logrotate does, and opens it again.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := audit.New(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	record := func(reason string) {
		l.Record(t.Context(), audit.Record{Event: audit.CallerRefused, Outcome: audit.Refused, Reason: reason, Address: "192.0.2.1"})
	}
	record("one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	record("two") // still into the file that was moved
	l.Reopen(t.Context())
	record("three")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if moved, now := lines(t, path+".1"), lines(t, path); len(moved) != 2 || len(now) != 1 || now[0]["reason"] != "three" || now[0]["event"] != "caller_refused" {
		t.Errorf("moved %v, now %v", moved, now)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want 0600", info.Mode(), err)
	}
}

// TestHostileTexts writes what an attacker may choose: it stays one line, and short.
func TestHostileTexts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := audit.New(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l.Record(t.Context(), audit.Record{Event: audit.TokenUsed, Outcome: audit.OK, Principal: "a\n{\"event\":\"forged\"}\x00\xff" + strings.Repeat("x", 10_000)})
			}
		})
	}
	wg.Wait()
	all := lines(t, path)
	if len(all) != 400 {
		t.Fatalf("%d lines, want 400", len(all))
	}
	for _, m := range all {
		if s, _ := m["principal"].(string); m["event"] != "token_used" || len(s) > 300 {
			t.Fatalf("wrote %v", m)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestALineThatCannotBeWritten(t *testing.T) {
	logs := &bytes.Buffer{}
	var failed int
	l, err := audit.New(audit.Options{Writer: brokenWriter{}, Logger: slog.New(slog.NewTextHandler(logs, nil)), OnWritten: func(_ audit.Event, ok bool) {
		if !ok {
			failed++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.Record(t.Context(), audit.Record{Event: audit.Started, Outcome: audit.OK})
	}
	if failed != 3 || strings.Count(logs.String(), "no space left") != 1 {
		t.Errorf("%d failures were counted, want 3, and told once:\n%s", failed, logs)
	}
}

func TestNoTrail(t *testing.T) {
	var l *audit.Log
	l.Record(t.Context(), audit.Record{Event: audit.Started})
	l.Reopen(t.Context())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
