package visibility_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// A world is a Slack as the bot of workspace T1 and its people see it.
type world struct {
	mu      sync.Mutex
	convs   map[string]slackapi.Channel
	members map[string][]string
	users   map[string]slackapi.User
	files   map[string]slackapi.File
	down    error
	ownDown error           // of people's tokens
	lenient bool            // Slack shows public channels to guests
	abroad  string          // a conversation that Slack shows no person
	ended   map[string]bool // grants
	calls   map[string]int
	during  func(method string) // called within a call
	page    int
}

const bot = "UBOT"

func newWorld() *world {
	w := &world{
		convs: map[string]slackapi.Channel{}, members: map[string][]string{}, users: map[string]slackapi.User{}, files: map[string]slackapi.File{},
		ended: map[string]bool{}, calls: map[string]int{}, page: 1000,
	}
	w.add(bot, slackapi.User{IsBot: true})
	return w
}

func (w *world) add(id string, u slackapi.User) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u.ID, u.TeamID = id, "T1"
	w.users[id] = u
}

func (w *world) channel(id string, c slackapi.Channel, members ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.ID = id
	w.convs[id], w.members[id] = c, members
}

func (w *world) set(channel string, ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[channel] = ids
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = err
}

// change changes the world while it may be asked.
func (w *world) change(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

func (w *world) called() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, k := range w.calls {
		n += k
	}
	return n
}

func (w *world) enter(method string) error {
	w.mu.Lock()
	w.calls[method]++
	down, during := w.down, w.during
	w.mu.Unlock()
	if during != nil {
		during(method)
	}
	return down
}

func refusal(code string, kind slackapi.Kind) error { return &slackapi.Error{Code: code, Kind: kind} }

// seen is a conversation as somebody sees it.
func (w *world) seen(id, by string) (slackapi.Channel, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.convs[id]
	in := slices.Contains(w.members[id], by)
	open := kindPublic(c) && (w.lenient || !w.users[by].IsRestricted)
	if !ok || !in && !open {
		return c, refusal("channel_not_found", slackapi.NotFound)
	}
	c.IsMember = in
	return c, nil
}

func kindPublic(c slackapi.Channel) bool { return c.IsChannel && !c.IsPrivate }

func (w *world) ConversationInfo(_ context.Context, id string) (slackapi.Channel, error) {
	if err := w.enter("conversations.info"); err != nil {
		return slackapi.Channel{}, err
	}
	return w.seen(id, bot)
}

func (w *world) Conversation(_ context.Context, p access.Person, id string) (slackapi.Channel, error) {
	if err := w.enter("own"); err != nil {
		return slackapi.Channel{}, err
	}
	w.mu.Lock()
	down, abroad := w.ownDown, w.abroad
	w.mu.Unlock()
	if down != nil {
		return slackapi.Channel{}, down
	}
	if id == abroad {
		return slackapi.Channel{}, refusal("channel_not_found", slackapi.NotFound)
	}
	return w.seen(id, p.User)
}

func (w *world) Holds(_ context.Context, p access.Person) error {
	if err := w.enter("auth.test"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended[p.User] {
		return fmt.Errorf("gone: %w", access.ErrRevoked)
	}
	return nil
}

// cut returns a page of a list and the next cursor.
func cut[T any](list []T, cursor string, limit, most int) ([]T, string) {
	from, _ := strconv.Atoi(cursor)
	to := min(len(list), from+min(max(limit, 1), most))
	next := ""
	if to < len(list) {
		next = strconv.Itoa(to)
	}
	return list[from:to], next
}

func (w *world) Members(_ context.Context, id, cursor string, limit int) (slackapi.MemberPage, error) {
	w.mu.Lock()
	members := w.members[id]
	w.mu.Unlock()
	if err := w.enter("conversations.members"); err != nil {
		return slackapi.MemberPage{}, err
	}
	if !slices.Contains(members, bot) {
		return slackapi.MemberPage{}, refusal("channel_not_found", slackapi.NotFound)
	}
	ids, next := cut(members, cursor, limit, w.page)
	return slackapi.MemberPage{Members: ids, NextCursor: next}, nil
}

func (w *world) UserConversations(_ context.Context, user string, q slackapi.ListQuery) (slackapi.ChannelPage, error) {
	if err := w.enter("users.conversations"); err != nil {
		return slackapi.ChannelPage{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if user == "" {
		user = bot
	}
	var list []slackapi.Channel
	for id, c := range w.convs {
		typ := "private_channel"
		switch {
		case c.IsIM:
			typ = "im"
		case c.IsMPIM:
			typ = "mpim"
		case kindPublic(c):
			typ = "public_channel"
		}
		if slices.Contains(q.Types, typ) && slices.Contains(w.members[id], user) {
			c.IsMember = true
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b slackapi.Channel) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	page, next := cut(list, q.Cursor, q.Limit, w.page)
	return slackapi.ChannelPage{Channels: page, NextCursor: next}, nil
}

func (w *world) UserInfo(_ context.Context, id string) (slackapi.User, error) {
	if err := w.enter("users.info"); err != nil {
		return slackapi.User{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u, ok := w.users[id]
	if !ok {
		return u, refusal("user_not_found", slackapi.NotFound)
	}
	return u, nil
}

func (w *world) UserList(_ context.Context, cursor string, limit int) (slackapi.UserPage, error) {
	if err := w.enter("users.list"); err != nil {
		return slackapi.UserPage{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]slackapi.User, 0, len(w.users))
	for _, u := range w.users {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b slackapi.User) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	page, next := cut(list, cursor, limit, w.page)
	return slackapi.UserPage{Users: page, NextCursor: next}, nil
}

func (w *world) FileInfo(_ context.Context, id string) (slackapi.File, error) {
	if err := w.enter("files.info"); err != nil {
		return slackapi.File{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f, ok := w.files[id]
	if !ok {
		return f, refusal("file_not_found", slackapi.NotFound)
	}
	return f, nil
}

var (
	publicChannel  = slackapi.Channel{IsChannel: true}
	privateChannel = slackapi.Channel{IsChannel: true, IsPrivate: true}
	groupMessage   = slackapi.Channel{IsMPIM: true, IsPrivate: true}
)

func person(user string) access.Person {
	return access.Person{Host: "slack.com", Team: "T1", User: user}
}

// A judged is a Judge of a world, and the events that it was told of.
type judged struct {
	*visibility.Judge
	*world
	t       testing.TB
	seq     uint64
	unknown map[string]int
}

// in runs a test with a clock of its own.
func in(t *testing.T, fn func(j *judged)) {
	t.Helper()
	with(t, visibility.Options{}, fn)
}

func with(t *testing.T, o visibility.Options, fn func(j *judged)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		j := newJudged(t, small(), o)
		defer j.Close()
		fn(j)
	})
}

// small is a workspace with one conversation of each kind.
func small() *world {
	w := newWorld()
	for _, id := range []string{"UANN", "UBEN", "UCY"} {
		w.add(id, slackapi.User{})
	}
	w.add("UGUEST", slackapi.User{IsRestricted: true})
	w.channel("CPUB", publicChannel, bot, "UANN", "UGUEST")
	w.channel("COPEN", publicChannel, bot, "UANN")
	w.channel("CPRIV", privateChannel, bot, "UANN")
	w.channel("GRP", groupMessage, bot, "UANN", "UBEN")
	w.channel("DANN", slackapi.Channel{IsIM: true, User: "UANN"}, bot, "UANN")
	return w
}

func newJudged(t testing.TB, w *world, o visibility.Options) *judged {
	t.Helper()
	j := &judged{world: w, t: t, unknown: map[string]int{}}
	o.Bot, o.People = w, w
	if o.Self == nil {
		o.Self = installed
	}
	o.OnUnknown = func(need string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		j.unknown[need]++
	}
	var err error
	if j.Judge, err = visibility.New(o); err != nil {
		t.Fatal(err)
	}
	return j
}

// an event of Slack, as it is decoded.
func slackEvent(t testing.TB, inner string) event.Event {
	t.Helper()
	env, err := event.DecodeSlack([]byte(`{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev1","event":`+inner+`}`), event.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return env.Event
}

func interaction(t testing.TB, payload string) event.Event {
	t.Helper()
	env, err := event.DecodeSlack([]byte(payload), event.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return env.Event
}

func message(t testing.TB, channel string) event.Event {
	t.Helper()
	return slackEvent(t, `{"type":"message","channel":"`+channel+`","user":"UANN","text":"a","ts":"1.1"}`)
}

// happens tells the judge of an event.
func (j *judged) happens(inner string) {
	j.t.Helper()
	e := slackEvent(j.t, inner)
	j.applies(&e)
}

func (j *judged) applies(e *event.Event) {
	j.seq++
	e.Position = event.NewPosition("abcdefgh", j.seq)
	j.Apply(e)
}

// settled is what a person sees of an event once Slack was asked.
func (j *judged) settled(user string, e event.Event) visibility.Verdict {
	j.t.Helper()
	p := person(user)
	j.See(p, &e)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if !j.Await(ctx, p) {
		j.t.Error("the look-ups do not end")
	}
	return j.See(p, &e)
}

// want checks what people see of an event once Slack was asked, and that its audience has those who see it, before
// and after.
func (j *judged) want(e event.Event, want map[string]visibility.Verdict) {
	j.t.Helper()
	before := j.audience(e)
	for user, v := range want {
		if got := j.settled(user, e); got != v {
			j.t.Errorf("%s: the event %s in %q is %v, want %v (%+v)", user, e.Kind, e.Channel, got, v, j.Explain(person(user), &e))
		}
		if v == visible && (!before(user) || !j.audience(e)(user)) {
			j.t.Errorf("%s: the event %s in %q is visible, but not for its audience", user, e.Kind, e.Channel)
		}
		if passed, _ := j.Conversations(person(user)); v == visible && e.User != user && slices.Contains(passed, e.Channel) {
			j.t.Errorf("%s: the event %s is visible, but nothing in %q", user, e.Kind, e.Channel)
		}
	}
}

// audience reports who is in the audience of an event.
func (j *judged) audience(e event.Event) func(user string) bool {
	j.t.Helper()
	users, some := j.Audience(&e, 1_000)
	if slices.Sort(users); len(slices.Compact(slices.Clone(users))) != len(users) {
		j.t.Errorf("%s in %q: somebody is twice in the audience %v", e.Kind, e.Channel, users)
	}
	return func(user string) bool { return !some || slices.Contains(users, user) }
}
