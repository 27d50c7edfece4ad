package e2e_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const eventsFile = "queue-slack.events.db"

// TestDamageIsSaid kills the real process and damages what it leaves. The next start names the
// file, what is lost and the remedy, `check` finds it without a start, and `store accept` lets
// the server go on.
func TestDamageIsSaid(t *testing.T) {
	const n = 3000
	for name, damage := range map[string]func(t *testing.T, file string){
		"the store is emptied beside a whole log": func(t *testing.T, file string) { truncate(t, file, 0) },
		"the log is cut":               func(t *testing.T, file string) { truncate(t, file+"-wal", 0.3) },
		"a page of the log is damaged": func(t *testing.T, file string) { overwrite(t, file+"-wal", 0.3) },
		"the header is damaged":        func(t *testing.T, file string) { overwrite(t, file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options{args: []string{"--queue-backend", "sqlite"}, env: []string{"LOG_LEVEL=warning"}, data: t.TempDir(), port: freePort(t)}
			file := filepath.Join(o.data, eventsFile)
			p := start(t, o)
			closeReader := keepLog(t, file)
			senders := newSenders(p.url, n)
			stop := senders.run(t, 16)
			if err := senders.await(n, time.Minute); err != nil {
				t.Fatal(err)
			}
			stop()
			time.Sleep(1100 * time.Millisecond) // what is noted is at most a second late
			p.kill()
			closeReader()
			damage(t, file)

			at := place{data: o.data, env: append(o.env, "SLACK_SIGNING_SECRET="+signingSecret)}
			_, said, code := at.try(t, "check")
			if code != 3 || !strings.Contains(said, file) || !strings.Contains(said, "store repair") {
				t.Errorf("check: code %d and %s, want 3 with %s and the remedy", code, said, file)
			}
			p = spawn(t, o)
			select {
			case <-p.done:
			case <-time.After(20 * time.Second):
				t.Fatalf("the server runs on a damaged store\n%s", p.logs)
			}
			said = p.logs.String()
			for _, want := range []string{file, fmt.Sprintf("%d events", n), "store repair", "store accept"} {
				if !strings.Contains(said, want) {
					t.Errorf("the failed start says %s, want %s", said, want)
				}
			}
			if out, said, code := at.try(t, "store", "repair"); code != 0 || !strings.Contains(out, "Read: ") || !strings.Contains(out, ".repaired") {
				t.Errorf("store repair: code %d: %s%s", code, out, said)
			}
			goOn := []string{"store", "accept"}
			if strings.Contains(name, "page") {
				goOn = []string{"store", "repair", "--replace"}
			}
			if _, said, code := at.try(t, goOn...); code != 0 {
				t.Fatalf("%v: code %d: %s", goOn, code, said)
			}
			p = start(t, o)
			if status, body := p.get("/health"); status != 200 || !strings.Contains(body, `"healthy"`) {
				t.Errorf("health afterwards: %d %s", status, body)
			}
		})
	}
}

// keepLog reads file in a transaction that stays open: SQLite then keeps what is written from now
// on in its log, and does not begin that anew. The function that it returns ends the transaction;
// it only reads, so that closing it takes nothing over from the log.
func keepLog(t *testing.T, file string) func() {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnreadablePageIsSaid destroys one page of the events. The server starts, shows the others,
// says in its health and to readers what is wrong, and answers every event 200, also when
// retention comes to the page.
func TestUnreadablePageIsSaid(t *testing.T) {
	const n = 1000
	o := options{
		args: []string{"--queue-backend", "sqlite"}, data: t.TempDir(), port: freePort(t),
		env: []string{"LOG_LEVEL=warning", "RETENTION_COUNT=" + strconv.Itoa(n), "SLACK_BOT_TOKEN=xoxb-unused", "SLACK_API_URL=http://127.0.0.1:1/api/"},
	}
	p := start(t, o)
	senders := newSenders(p.url, 3*n)
	send := func() {
		t.Helper()
		stop := senders.run(t, 8)
		defer stop()
		if err := senders.await(n, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	send()
	if code := p.stop(); code != 0 {
		t.Fatalf("stop: exit code %d", code)
	}
	file := filepath.Join(o.data, eventsFile)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const page, leaf = 8192, 0x0d
	var leaves []int
	for at := 0; at < len(b); at += page {
		if b[at] == leaf && bytes.Contains(b[at:at+page], []byte("EvKILL")) {
			leaves = append(leaves, at)
		}
	}
	copy(b[leaves[len(leaves)/2]:], strings.Repeat("\xee", 300))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}

	o.args = append(o.args, "--integrated")
	p = start(t, o)
	var page1 struct {
		Events []json.RawMessage
		Note   string
	}
	eventually(t, 20*time.Second, func() error {
		connect(t, p).tool("slack_list_events", map[string]any{"limit": 50}, &page1)
		if len(page1.Events) == 0 || !strings.Contains(page1.Note, "cannot be read") {
			return fmt.Errorf("the list has %d events and the note %q", len(page1.Events), page1.Note)
		}
		return nil
	})
	if _, body := p.get("/health"); !strings.Contains(body, `"degraded"`) {
		t.Errorf("health: %s, want degraded", body)
	}
	if _, body := p.get("/health/detailed"); !strings.Contains(body, "cannot be read") || !strings.Contains(body, "store repair") {
		t.Errorf("health: %s, want what is wrong and the remedy", body)
	}
	if _, body := p.get("/metrics"); !strings.Contains(body, "slack_webhook_server_queue_damaged 1") {
		t.Error("no metric says that the store is damaged")
	}
	send() // retention goes over the page
	if bad := senders.bad.Load(); bad > 0 {
		t.Errorf("%d events were refused, want none\n%s", bad, p.logs)
	}
}

// TestAnEmptiedDatabaseIsSaid empties the database of a running server, or of one that is stopped
// meanwhile: health is degraded, a metric and the log say so, and the time is a gap. Events are
// received as before.
func TestAnEmptiedDatabaseIsSaid(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"redis", "nats"} {
		for _, stopped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stopped %v", backend, stopped), func(t *testing.T) {
				t.Parallel()
				emptied(t, backend, stopped)
			})
		}
	}
}

func emptied(t *testing.T, backend string, stopped bool) {
	t.Helper()
	o := options{args: []string{"--queue-backend", backend}, env: backendEnv(t, backend), data: t.TempDir(), port: freePort(t)}
	p := start(t, o)
	senders := newSenders(p.url, 200)
	send := func() {
		t.Helper()
		stop := senders.run(t, 4)
		defer stop()
		if err := senders.await(100, time.Minute); err != nil {
			t.Fatalf("%v\n%s", err, p.logs)
		}
	}
	send()
	if _, body := p.get("/health"); !strings.Contains(body, `"healthy"`) {
		t.Errorf("health before: %s", body)
	}
	if stopped {
		if code := p.stop(); code != 0 {
			t.Fatalf("stop: exit code %d", code)
		}
	}
	empty(t, o.env)
	if stopped {
		p = start(t, o)
	} else {
		send()
	}
	eventually(t, 30*time.Second, func() error {
		_, body := p.get("/health/detailed")
		if !strings.Contains(body, `"degraded"`) || !strings.Contains(body, "emptied") || !strings.Contains(body, `"open_gaps":1`) {
			return fmt.Errorf("health: %s", body)
		}
		return nil
	})
	if _, body := p.get("/metrics"); !strings.Contains(body, "slack_webhook_server_queue_damaged 1") {
		t.Error("no metric says that events are lost")
	}
	if !strings.Contains(p.logs.String(), "the store has lost events") {
		t.Errorf("the log says nothing:\n%s", p.logs)
	}
	if stopped {
		send()
	}
}

// empty flushes the Redis, or deletes the streams of the NATS, of a server's environment.
func empty(t *testing.T, env []string) {
	t.Helper()
	for _, e := range env {
		if address, ok := strings.CutPrefix(e, "REDIS_URL="); ok {
			flush(t, address)
		}
		if address, ok := strings.CutPrefix(e, "NATS_URL="); ok {
			nc, err := natsgo.Connect(address)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			js, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			for name := range js.StreamNames(t.Context()).Name() {
				if err := js.DeleteStream(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func flush(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer := make([]byte, 5)
	if _, err := io.WriteString(c, "FLUSHALL\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "+OK\r\n" {
		t.Fatalf("FLUSHALL: %q, %v", answer, err)
	}
}

// truncate leaves a share of a file.
func truncate(t *testing.T, file string, share float64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, int64(float64(info.Size())*share)); err != nil {
		t.Fatal(err)
	}
}

// overwrite changes some bytes of a file, at a share of its length.
func overwrite(t *testing.T, file string, share float64) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := int(float64(len(b)) * share)
	copy(b[at:], strings.Repeat("\xee", 64))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
