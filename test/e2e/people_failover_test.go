package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/testservers"
	"slackmcp/slackapi/sandbox"
)

// A followerOf is what one person is told while the database fails.
type followerOf struct {
	mu      sync.Mutex
	events  []string // by the stream
	updated []string // by updates
}

func (o *followerOf) note(list *[]string, one string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*list = append(*list, one)
}

func (o *followerOf) told(list *[]string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(*list)
}

// followThrough opens a stream of events, which goes on by its cursor where it ends, and one of updates, until ctx ends.
func (f *peopledFleet) followThrough(ctx context.Context, who signedInPerson, events, updates *process, uris []string) *followerOf {
	f.t.Helper()
	o := &followerOf{}
	reading := func(at *process, method string, params map[string]any, line func(string)) {
		for ctx.Err() == nil {
			res, err := f.attempt(ctx, http.DefaultClient, who, at, method, params)
			if err != nil {
				continue
			}
			s := bufio.NewScanner(res.Body)
			s.Buffer(nil, 1<<20)
			for s.Scan() {
				line(s.Text())
			}
			res.Body.Close()
		}
	}
	asked := map[string]any{"name": "message.created", "arguments": map[string]any{}, "cursor": "start"}
	go reading(events, "events/stream", asked, func(line string) {
		if one, ok := occurrenceOf(line); ok {
			o.note(&o.events, one.id)
			asked["cursor"] = one.cursor
		}
	})
	go reading(updates, "subscriptions/listen", map[string]any{"notifications": map[string]any{"resourceSubscriptions": uris}}, func(line string) {
		for _, uri := range uris {
			if strings.Contains(line, "notifications/resources/updated") && strings.Contains(line, uri) {
				o.note(&o.updated, uri)
			}
		}
	})
	return o
}

// TestPeopleWhileTheDatabaseFails kills the database of two servers while a member of a private channel, somebody who
// leaves it meanwhile, and somebody who was never in it follow what happens; Slack gives up to deliver the leave. When the database
// is back, it is not known who is a member, because Slack does not answer: nobody is shown anything. When Slack
// answers, each has all of what they may see, once and in order, and nothing else.
func TestPeopleWhileTheDatabaseFails(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T) (*testservers.Server, string){
		"redis": func(t *testing.T) (*testservers.Server, string) {
			t.Helper()
			s := testservers.Redis(t, "--appendfsync", "always")
			return s, "REDIS_URL=" + s.URL
		},
		"nats": func(t *testing.T) (*testservers.Server, string) {
			t.Helper()
			s := testservers.NATS(t)
			return s, "NATS_URL=" + s.URL
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database, env := begin(t)
			f := startPeople(t, 2, env)
			f.clients[sandbox.Grace] = append(f.clients[sandbox.Grace], enterPerson(t, f.public, sandbox.Grace))
			f.databaseFails(database)
		})
	}
}

func (f *peopledFleet) databaseFails(database *testservers.Server) {
	t := f.t
	t.Helper()
	const (
		media = "application/json"
		room  = "slack://channels/" + sandbox.Leads + "/events"
		hall  = "slack://channels/" + sandbox.General + "/events"
	)
	want := map[string][]string{
		sandbox.Grace: {"EvOneRoom", "EvOneHall", "EvTwoRoom", "EvTwoHall", "EvLast"},
		sandbox.Alice: {"EvOneRoom", "EvOneHall", "EvTwoHall", "EvLast"}, // she leaves meanwhile
		sandbox.Bob:   {"EvOneHall", "EvTwoHall", "EvLast"},
	}
	f.happen(media, saidIn("EvOneRoom", sandbox.Leads, ""))
	f.happen(media, saidIn("EvOneHall", sandbox.General, ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	follow := map[string]*followerOf{}
	for who := range want {
		for _, at := range f.replicas {
			f.known(f.client(who, 0), at, "EvOneHall")
		}
		follow[who] = f.followThrough(ctx, f.client(who, 0), f.replicas[1], f.replicas[0], []string{room, hall})
		f.subscribe(f.client(who, 0), f.replicas[0], "/"+who, "start")
	}
	arrived := func(last string) {
		t.Helper()
		for who, o := range follow {
			eventually(t, 3*time.Minute, func() error {
				posted := strings.Join(f.calls.at("/"+who), " ")
				if events := o.told(&o.events); !slices.Contains(events, last) || !strings.Contains(posted, last) {
					return fmt.Errorf("%s is told %v, and posted %s", who, events, posted)
				}
				return nil
			})
		}
	}
	arrived("EvOneHall")

	database.Kill()
	if status, _ := f.try(media, saidIn("EvAway", sandbox.Leads, "")); status != http.StatusServiceUnavailable {
		t.Errorf("without the database: %d", status)
	}
	if err := f.slack.box.LeaveAs(sandbox.Alice, sandbox.Leads); err != nil {
		t.Fatal(err)
	}
	if status, _ := f.try(media, leftFrom("EvLeft", sandbox.Leads, sandbox.Alice), "X-Slack-Retry-Num", "3", "X-Slack-Retry-Reason", "http_error"); status != http.StatusServiceUnavailable {
		t.Errorf("without the database: %d", status)
	}
	f.slack.silence(true)
	database.Start()
	for _, at := range f.replicas {
		eventually(t, time.Minute, func() error {
			got := f.ask(signedInPerson{access: authToken}, at, "tools/call", map[string]any{"name": "slack_list_events", "arguments": map[string]any{"source": "gaps"}})
			if !strings.Contains(got, "gap_detected") {
				return fmt.Errorf("the gap is not noted: %s", got)
			}
			return nil
		})
	}
	f.happen(media, saidIn("EvTwoRoom", sandbox.Leads, ""))
	f.happen(media, saidIn("EvTwoHall", sandbox.General, ""))
	var all sync.WaitGroup
	for who := range want {
		all.Go(func() {
			got := f.listed(who, f.replicas[0])
			if strings.Contains(got, "EvOne") || strings.Contains(got, "EvTwo") || !strings.Contains(got, "not said yet") {
				t.Errorf("%s, while nobody can say who is a member: %s", who, got)
			}
		})
	}
	all.Wait()
	f.slack.silence(false)
	f.happen(media, saidIn("EvLast", sandbox.General, ""))
	arrived("EvLast")
	for who, ids := range want {
		if got := follow[who].told(&follow[who].events); !slices.Equal(got, ids) {
			t.Errorf("%s is told %v by the stream, want %v", who, got, ids)
		}
		var posted []string
		for _, line := range f.calls.at("/" + who) {
			id, _, _ := strings.Cut(line, " ")
			posted = append(posted, id)
		}
		if !slices.Equal(posted, ids) {
			t.Errorf("%s is posted %v, want %v", who, posted, ids)
		}
		eventually(t, time.Minute, func() error {
			for _, at := range f.replicas {
				got := f.listed(who, at)
				for _, id := range []string{"EvOneRoom", "EvOneHall", "EvTwoRoom", "EvTwoHall", "EvLast"} {
					now := slices.Contains(ids, id) && (who != sandbox.Alice || id != "EvOneRoom")
					if strings.Contains(got, id) != now {
						return fmt.Errorf("%s sees %s: %v, in %s", who, id, !now, got)
					}
				}
			}
			return nil
		})
		eventually(t, time.Minute, func() error {
			if got := follow[who].told(&follow[who].updated); !slices.Contains(got, hall) || slices.Contains(got, room) != (who == sandbox.Grace) {
				return fmt.Errorf("%s is told of updates of %v", who, got)
			}
			return nil
		})
	}
}

// listed is what somebody is shown of the events.
func (f *peopledFleet) listed(who string, at *process) string {
	f.t.Helper()
	return f.ask(f.client(who, 0), at, "tools/call", map[string]any{"name": "slack_list_events", "arguments": map[string]any{"limit": 200}})
}
