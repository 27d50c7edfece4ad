package guard_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
	"slackmcp/store/memory"
)

// A directory knows a few conversations and people.
type directory struct {
	mu       sync.Mutex
	channels map[string]names.Channel // by id
	people   map[string]string        // e-mail -> id
	down     bool
}

var errDown = errors.New("slack is out of reach")

func newDirectory() *directory {
	return &directory{
		channels: map[string]names.Channel{
			"C0GENERAL01": {Name: "general"}, "C0RANDOM001": {Name: "random"},
			"D0ANN000001": {User: "U0ANN000001"}, "D0BOB000001": {User: "U0BOB000001"}, "D0UNKNOWN01": {},
		},
		people: map[string]string{"ann@example.com": "U0ANN000001"},
	}
}

func (d *directory) Channel(_ context.Context, id string) (names.Channel, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.channels[id]; ok && !d.down {
		c.ID = id
		return c, nil
	}
	return names.Channel{}, errDown
}

func (d *directory) ChannelID(_ context.Context, name string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, c := range d.channels {
		if c.Name == name && !d.down {
			return id, nil
		}
	}
	if d.down {
		return "", errDown
	}
	return "", names.ErrNoChannel
}

func (d *directory) Self(context.Context) (slackapi.Identity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return slackapi.Identity{}, errDown
	}
	return slackapi.Identity{TeamID: "T1"}, nil
}

func (d *directory) UserID(_ context.Context, ref names.UserRef) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return "", errDown
	}
	if id, ok := d.people[ref.Email]; ok {
		return id, nil
	}
	return "", names.ErrNoUser
}

func (d *directory) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func TestChannelRules(t *testing.T) {
	t.Parallel()
	const general, random, ann, bob = "C0GENERAL01", "C0RANDOM001", "D0ANN000001", "D0BOB000001"
	for label, tc := range map[string]struct {
		allow, deny []string
		channel     string
		want        string
	}{
		"no rules":                        {nil, nil, general, ""},
		"allowed by id":                   {[]string{general}, nil, general, ""},
		"allowed by name":                 {[]string{"#general"}, nil, general, ""},
		"allowed by name without a #":     {[]string{" General "}, nil, general, ""},
		"allowed by mention":              {[]string{"<#C0GENERAL01|general>"}, nil, general, ""},
		"allowed by link":                 {[]string{"https://x.slack.com/archives/C0GENERAL01"}, nil, general, ""},
		"allowed by a message's link":     {[]string{"https://x.slack.com/archives/C0GENERAL01/p1700000000000100"}, nil, general, ""},
		"not among the allowed":           {[]string{"general"}, nil, random, "channel_not_allowed"},
		"denied by id":                    {nil, []string{random}, random, "channel_not_allowed"},
		"denied by name":                  {nil, []string{"#random"}, random, "channel_not_allowed"},
		"denied by link":                  {nil, []string{"https://x.slack.com/archives/C0RANDOM001"}, random, "channel_not_allowed"},
		"denied wins":                     {[]string{"random"}, []string{random}, random, "channel_not_allowed"},
		"a name that cannot be found out": {nil, []string{"#random"}, "C0SECRET001", "channel_not_checked"},
		"allowed where a name is another": {[]string{"#nowhere", general}, nil, general, ""},
		"a name that is not there":        {[]string{"#nowhere"}, nil, general, "channel_not_allowed"},
		"none named, with an allow-list":  {[]string{"general"}, nil, "", "channel_not_allowed"},
		"none named, with a deny-list":    {nil, []string{"general"}, "", ""},
		"empty rules are none":            {[]string{" "}, []string{""}, random, ""},
		"a person by id":                  {[]string{"U0ANN000001"}, nil, ann, ""},
		"a person by mention":             {[]string{"<@U0ANN000001>"}, nil, ann, ""},
		"a person by address":             {[]string{"ann@example.com"}, nil, ann, ""},
		"a person for their message":      {[]string{"ann@example.com"}, nil, "U0ANN000001", ""},
		"another person":                  {[]string{"ann@example.com"}, nil, bob, "channel_not_allowed"},
		"another person by id":            {[]string{"U0ANN000001"}, nil, "U0BOB000001", "channel_not_allowed"},
		"a person is no channel":          {[]string{"U0ANN000001"}, nil, general, "channel_not_allowed"},
		"a person who is not there":       {[]string{"eve@example.com"}, nil, ann, "channel_not_allowed"},
		"a denied person":                 {nil, []string{"U0BOB000001"}, bob, "channel_not_allowed"},
		"another than the denied person":  {nil, []string{"U0BOB000001"}, ann, ""},
		"a message of an unknown person":  {nil, []string{"U0BOB000001"}, "D0UNKNOWN01", "channel_not_checked"},
		"a message, where a name is":      {nil, []string{"#random"}, ann, ""},
		"another than the denied id":      {nil, []string{random}, general, ""},
		"a name in capitals":              {nil, []string{general}, "GENERAL", "channel_not_checked"},
		"a name that looks like an id":    {nil, []string{general}, "GATEWAY2024", "channel_not_checked"},
		"a name that is no allowed id":    {[]string{general}, nil, "GENERAL", "channel_not_allowed"},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			g := newGuard(t, guard.Options{Allow: tc.allow, Deny: tc.deny, Directory: newDirectory()})
			if got := code(g.Check(t.Context(), tc.channel)); got != tc.want {
				t.Errorf("Check(%s) refused with %q, want %q", tc.channel, got, tc.want)
			}
			sent := false
			_, _, err := do(t.Context(), g, guard.Write{Channel: tc.channel}, func() (int, string, error) {
				sent = true
				return 1, "", nil
			})
			if code(err) != tc.want || sent != (tc.want == "") {
				t.Errorf("Do refused with %q and sent is %v", code(err), sent)
			}
		})
	}
	if _, err := guard.New(guard.Options{Deny: []string{"#random"}}); err == nil || !strings.Contains(err.Error(), "Directory") {
		t.Errorf("a rule by name without Directory: %v", err)
	}
	g := newGuard(t, guard.Options{Deny: []string{random}, Directory: newDirectory()})
	if _, err := g.Begin(t.Context(), guard.Write{Channel: general, Also: []string{random}}); code(err) != "channel_not_allowed" {
		t.Errorf("a write that also changes what is denied: %v", err)
	}
}

func TestRulesThatMatchNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"GENERAL", "DEPLOYMENTS", "C1", "U1", "UPDATES", "@ann", "<@B0123456789>", "two words", "<!channel>", "https://example.com/x", "#", "a/b"} {
		if r, err := guard.ParseRule(s); err == nil {
			t.Errorf("%q is the rule %+v", s, r)
		}
		if _, err := guard.New(guard.Options{Allow: []string{s}, Directory: newDirectory()}); err == nil {
			t.Errorf("a guard takes %q", s)
		}
	}
	for _, s := range []string{"general", "#Gen-eral", "C0123456789", "G012345678", "D0123456789", "U0123456789", "W0123456789", "ann@example.com", "<#CABCDEFGHIJ>", "https://x.slack.com/archives/CABCDEFGHIJ"} {
		if _, err := guard.ParseRule(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestNamesStayWithTheirChannel renames channels after a rule was found.
func TestNamesStayWithTheirChannel(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	g := newGuard(t, guard.Options{Allow: []string{"#general"}, Directory: d})
	deny := newGuard(t, guard.Options{Deny: []string{"#random"}, Directory: d})
	if err := errors.Join(g.Run(t.Context()), deny.Run(t.Context())); err != nil {
		t.Fatal(err)
	}
	d.change(func() {
		d.channels["C0GENERAL01"] = names.Channel{Name: "public"}
		d.channels["C0RANDOM001"] = names.Channel{Name: "general"}
		d.channels["C0NEWRANDOM"] = names.Channel{Name: "random"}
	})
	for channel, want := range map[string]string{"C0GENERAL01": "", "C0RANDOM001": "channel_not_allowed"} {
		if got := code(g.Check(t.Context(), channel)); got != want {
			t.Errorf("allowed was what is %s: %q, want %q", channel, got, want)
		}
	}
	for channel, want := range map[string]string{"C0GENERAL01": "", "C0RANDOM001": "channel_not_allowed", "C0NEWRANDOM": "channel_not_allowed"} {
		if got := code(deny.Check(t.Context(), channel)); got != want {
			t.Errorf("denied was what is C0RANDOM001, and %s is checked: %q, want %q", channel, got, want)
		}
	}
}

// TestNamesStayOverARestart renames channels while no process runs.
func TestNamesStayOverARestart(t *testing.T) {
	t.Parallel()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := newDirectory()
	begin := func(o guard.Options) *guard.Guard {
		t.Helper()
		o.Directory, o.Kept = d, store.State()
		g := newGuard(t, o)
		if err := g.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return g
	}
	begin(guard.Options{Allow: []string{"#general"}, Deny: []string{"#random", "#nowhere"}})
	d.change(func() {
		d.channels["C0GENERAL01"] = names.Channel{Name: "old"}
		d.channels["C0RANDOM001"] = names.Channel{Name: "fun"}
		d.channels["C0NEWGENERL"] = names.Channel{Name: "general"}
		d.channels["C0NOWHERE01"] = names.Channel{Name: "nowhere"}
	})
	allow, deny := begin(guard.Options{Allow: []string{"#general"}}), begin(guard.Options{Deny: []string{"#random", "#nowhere"}})
	for channel, want := range map[string]string{"C0GENERAL01": "", "C0NEWGENERL": "channel_not_allowed"} {
		if got := code(allow.Check(t.Context(), channel)); got != want {
			t.Errorf("allowed was what is C0GENERAL01, and %s is checked: %q, want %q", channel, got, want)
		}
	}
	for channel, want := range map[string]string{"C0RANDOM001": "channel_not_allowed", "C0NOWHERE01": "channel_not_allowed", "C0GENERAL01": ""} {
		if got := code(deny.Check(t.Context(), channel)); got != want {
			t.Errorf("denied was what is C0RANDOM001, and %s is checked: %q, want %q", channel, got, want)
		}
	}
}

// TestRulesWaitForSlack: what a name may concern is refused while it is not known, and found later.
func TestRulesWaitForSlack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.down = true
		allow := newGuard(t, guard.Options{Allow: []string{"#general", "D0BOB000001", "ann@example.com"}, Directory: d})
		deny := newGuard(t, guard.Options{Deny: []string{"#random", "ann@example.com"}, Directory: d})
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, g := range []*guard.Guard{allow, deny} {
			wg.Go(func() {
				if err := g.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		check := func(what string, g *guard.Guard, want map[string]string) {
			t.Helper()
			for channel, refusal := range want {
				if got := code(g.Check(t.Context(), channel)); got != refusal {
					t.Errorf("%s, %s: %q, want %q", what, channel, got, refusal)
				}
			}
		}
		const unknown, no = "channel_not_checked", "channel_not_allowed"
		check("allowed while slack is away", allow, map[string]string{"C0GENERAL01": unknown, "C0RANDOM001": unknown, "D0BOB000001": "", "D0ANN000001": unknown})
		check("denied while slack is away", deny, map[string]string{"C0GENERAL01": unknown, "C0RANDOM001": unknown, "D0BOB000001": unknown})
		d.change(func() { d.down = false })
		time.Sleep(5 * time.Minute)
		wg.Wait()
		check("allowed", allow, map[string]string{"C0GENERAL01": "", "C0RANDOM001": no, "D0BOB000001": "", "D0ANN000001": ""})
		check("denied", deny, map[string]string{"C0GENERAL01": "", "C0RANDOM001": no, "D0BOB000001": "", "D0ANN000001": no})
		d.change(func() { d.down = true })
		check("what was found stays known", allow, map[string]string{"C0GENERAL01": "", "C0RANDOM001": no})
	})
}
