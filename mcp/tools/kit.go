package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/operator"
)

// Options configure the tools.
type Options struct {
	// Events is the log of received events. Without it the events tools are left out.
	Events *sight.Events
	// Operator works the queue; without it the admin tools are left out.
	Operator operator.Store
	// Slack makes the calls. Without it all tools but those of events are left out,
	// and names cannot be resolved.
	Slack *slackapi.Client
	// UserReads lets callers with the scope as-user read with the user token where the bot cannot see.
	UserReads bool
	// UserForScope lets the user token serve nobody else, whatever it is for.
	UserForScope bool
	// SpeakAsBot lets the bot answer events for people, and name them.
	SpeakAsBot bool
	// Names and Guard are required with Slack.
	Names *names.Resolver
	Guard *guard.Guard
	// Judge decides whose words are shown; nil withholds none.
	Judge *view.Judge
	// Posts remembers who wrote our own messages; nil remembers nothing.
	Posts *view.Posts
	// MaxWaits bounds the calls that wait for events at once; 0 is 200. One principal may hold
	// Share percent of them; 0 is 25.
	MaxWaits, Share int
	// OnBound is called when a call is refused because it came to a bound; nil is not called.
	OnBound func(context.Context, access.Bound)
	// Asks keeps the questions of slack_ask; without it that tool is left out.
	Asks *ask.Questions
	// People makes the calls of those who have signed in; with nil they are refused. It needs Slack.
	People People
	// TimeZone is the zone of what people are shown and mean; nil is that of each one.
	TimeZone *time.Location
}

const defaultMaxWaits = 200

// A kit is what the tools share for some callers: all services, or one person. What a tool reaches it
// reaches by its kit, which [define] hands to it.
type kit struct {
	Options
	// log is the events as the caller sees them, aid what a tool reads of them by the way; see [kit.by].
	log, aid sight.Log
	waits    *waitLimit
	own      *ownPosts
	// person reports that the kit is one person's.
	person bool
	// bot is, in a person's kit, who makes the calls that the bot makes for the person, see [kit.asBot];
	// nil where there is no bot.
	bot *slackapi.Client
	// ofUser is the person of a person's kit, guest that they are no full member, botUser the user of the bot.
	ofUser, botUser string
	guest           bool
	// asked reports that messages may be questions of slack_ask.
	asked bool
	// now is the time in the operator's zone, in which times without a zone are meant.
	now func() time.Time
}

func newKit(o Options) (*kit, error) {
	switch {
	case o.MaxWaits < 0:
		return nil, errors.New("tools: MaxWaits is negative")
	case o.Slack != nil && o.Names == nil:
		return nil, errors.New("tools: Names is required with Slack")
	case o.Slack != nil && o.Guard == nil:
		return nil, errors.New("tools: Guard is required with Slack")
	case o.Slack == nil && o.People != nil:
		return nil, errors.New("tools: Slack is required with People")
	}
	o.MaxWaits = cmp.Or(o.MaxWaits, defaultMaxWaits)
	if o.Judge == nil {
		var jo view.JudgeOptions
		if o.Names != nil {
			jo.People = o.Names
		}
		o.Judge = view.NewJudge(jo)
	}
	now := func() time.Time { return time.Now().In(o.Judge.Zone()) }
	return &kit{Options: o, waits: newWaitLimit(o.MaxWaits, cmp.Or(o.Share, 25), o.OnBound), own: &ownPosts{}, asked: o.Asks != nil, now: now}, nil
}

// Catalog returns every tool that can work with what the options hold. The order is
// that of the documentation.
func Catalog(o Options) (*toolset.Catalog, error) {
	c, _, err := New(o)
	return c, err
}

// Of returns what is of the caller in ctx: their book of names, and who decides whose words they are shown.
// Without Slack there are no names.
type Of func(ctx context.Context) (*names.Resolver, *view.Judge, error)

// New returns the [Catalog], and what the tools know of their callers, for others who show them events.
func New(o Options) (*toolset.Catalog, Of, error) {
	k, err := newKit(o)
	if err != nil {
		return nil, nil, err
	}
	ks := newKits(k)
	c, err := possible(ks, o.Slack != nil, o.Events != nil, o.Operator != nil, o.Asks != nil)
	return c, ks.ofCaller, err
}

// Foresee returns the tools of the [Catalog] of a server that has a Slack client, or
// events, or both, and asks questions or none; they are to be described and not to be called.
func Foresee(slack, events, asks bool) (*toolset.Catalog, error) {
	k, err := newKit(Options{})
	if err != nil {
		return nil, err
	}
	return possible(newKits(k), slack, events, events, asks)
}

func possible(ks *kits, slack, events, queue, asks bool) (*toolset.Catalog, error) {
	list := slices.DeleteFunc(all(ks), func(t toolset.Tool) bool {
		return callsSlack(&t) && !slack || readsEvents(&t) && !events || t.Scope == access.Admin && !queue || t.Set == setAsk && !asks
	})
	for i := range list {
		if !events {
			list[i].Description = withoutEvents.Replace(list[i].Description)
			list[i].OutputSchema = json.RawMessage(withoutEvents.Replace(string(list[i].OutputSchema)))
		}
	}
	return toolset.NewCatalog(list...)
}

// withoutEvents takes out of a tool's words what leads to tools of events, where there are none.
var withoutEvents = strings.NewReplacer(
	"To answer an event use slack_reply_to_event, to answer in a thread slack_thread_reply.", "To answer in a thread use slack_thread_reply.",
	"slack_wait_for_event returns what came since", "not set: no events are received here",
)

// Describe returns every tool that there is, to be described and not to be called.
func Describe() (*toolset.Catalog, error) {
	k, err := newKit(Options{})
	if err != nil {
		return nil, err
	}
	return toolset.NewCatalog(all(newKits(k))...)
}

func callsSlack(t *toolset.Tool) bool { return len(t.Needs)+len(t.UserNeeds) > 0 }

func readsEvents(t *toolset.Tool) bool { return t.Scope == access.Events || t.And == access.Events }

func all(ks *kits) []toolset.Tool {
	return slices.Concat(
		eventTools(ks),
		receiptTools(ks),
		askTools(ks),
		messageTools(ks),
		reactionTools(ks),
		conversationTools(ks),
		userTools(ks),
		fileTools(ks),
		pinTools(ks),
		bookmarkTools(ks),
		canvasTools(ks),
		adminTools(ks),
	)
}

// safety are the arguments of every tool that writes.
type safety struct {
	DryRun         bool   `json:"dry_run,omitempty" doc:"Only return the request"`
	IdempotencyKey string `json:"idempotency_key,omitempty" max:"200" doc:"The same key within an hour sends once"`
}

// part is the safety of one part of a call that does several things.
func (s safety) part(name string) safety {
	if s.IdempotencyKey != "" {
		s.IdempotencyKey += "#" + name
	}
	return s
}

// carried is what every writing tool tells about how it was carried out.
type carried struct {
	DryRun   bool               `json:"dry_run,omitempty"`
	Requests []slackapi.Request `json:"requests,omitempty" opaque:"1" doc:"of dry_run: method and params"`
	Repeated bool               `json:"repeated,omitempty" doc:"by idempotency_key"`
	// WrittenAs is set where there is no bot between: others see it as the user's own doing.
	WrittenAs string `json:"written_as,omitempty" enum:"user" doc:"done in the user's own name"`
	Note      string `json:"note,omitempty"`
}

// noteMentions is what a result says about a mass mention that was taken out.
const noteMentions = "Mass mentions (@channel, @here, @everyone, groups of users) were turned into plain text: the operator does not allow them."

// A writing is one call that changes something in Slack, on its way.
type writing struct {
	carried
	// due reports that slack is to be called, once, and that end is to follow.
	due   bool
	ended bool // end was called
	slack *slackapi.Client

	principal string // whom the call is of
	person    string // in whose name it is made; empty is the bot
	posted    func(sure bool)
	sure      bool // it is kept where it was posted, or nothing was
	permit    *guard.Permit
	requests  func() []slackapi.Request // of a rehearsal
}

// begin prepares a call that changes something in Slack, or its rehearsal. When it is not
// due, begin returns what became of it: a rule forbids it, or its key is known.
func begin[T any](ctx context.Context, k *kit, c *toolset.Call, w guard.Write, s safety) (result T, on *writing, err error) {
	w.Tool, w.Principal, w.Key = c.Tool, c.Principal.Name, s.IdempotencyKey
	on = &writing{slack: k.Slack, principal: c.Principal.Name, person: k.writer(ctx, c), posted: func(bool) {}}
	if k.Slack.Personal() {
		on.WrittenAs = "user"
	}
	if s.DryRun {
		if err := k.Guard.Check(ctx, append([]string{w.Channel}, w.Also...)...); err != nil {
			return result, on, err
		}
		on.due, on.DryRun = true, true
		on.slack, on.requests = k.Slack.Rehearse()
		return result, on, nil
	}
	if on.permit, err = k.Guard.Begin(ctx, w); err != nil {
		return result, on, err
	}
	if on.Repeated = on.permit.Repeated; !on.Repeated {
		on.due = true
		c.Deferred = append(c.Deferred, func() {
			if !on.ended { // The tool panicked.
				on.end(ctx, nil, "", guard.ErrNoEnd)
			}
		})
		return result, on, nil
	}
	result, ok := on.permit.Result.(T)
	if err = on.permit.Err; err == nil && !ok {
		err = fmt.Errorf("remembered result of %s has another type", w.Tool)
	}
	return result, on, err
}

// end keeps what became of the call: its result, the ts of what it wrote, "" for nothing,
// and its error.
func (w *writing) end(ctx context.Context, result any, ts string, err error) {
	if w.DryRun {
		w.Requests = w.requests()
		return
	}
	w.ended = true
	w.posted(w.sure)
	w.permit.End(ctx, result, ts, err)
}

// wrote remembers what the caller has just had written, unless that failed: lockdown shows it to
// the same caller alone, and what is in a person's name is not their own words.
func (w *writing) wrote(ctx context.Context, k *kit, channel, id string, err error) {
	switch {
	case w.DryRun:
	case err != nil:
		w.sure = !uncertain(err)
	case w.person == "":
		k.Posts.Wrote(ctx, channel, id, w.principal)
	default:
		w.sure = k.Posts.WroteFor(ctx, channel, id, w.principal, w.person)
	}
}

// posting announces a post in a person's name. It comes before the post, and wrote after it: an event of the
// message may come between them.
func (w *writing) posting(ctx context.Context, k *kit) error {
	if w.DryRun || w.person == "" {
		return nil
	}
	done, err := k.Posts.Posting(ctx, w.person)
	if err != nil {
		return fault("not_sent: what assistants post in people's names has to be remembered, and the server's store cannot be written now. Nothing was sent; try again in a minute.")
	}
	w.posted = done
	return nil
}

// writer is the person in whose name the kit writes; "" where it is the bot.
func (k *kit) writer(ctx context.Context, c *toolset.Call) string {
	if !k.Slack.Personal() {
		return ""
	}
	if s, ok := c.Principal.SignIn(); ok {
		return s.Person.User
	}
	return k.self(ctx).UserID
}

// uncertain reports a call of which it is not known whether Slack has carried it out.
func uncertain(err error) bool {
	var slack *slackapi.Error
	return errors.As(err, &slack) && slack.Kind == slackapi.Ambiguous
}

// nothing is the result of a call of which only the error counts.
type nothing struct{}

// stops reports an error after which the other parts of a call would fail as well, or
// would come out of order.
func stops(err error) bool {
	var slack *slackapi.Error
	if !errors.As(err, &slack) {
		return true
	}
	switch slack.Kind {
	case slackapi.Auth, slackapi.MissingScope, slackapi.NotInChannel, slackapi.RateLimited, slackapi.Ambiguous,
		slackapi.Unavailable, slackapi.Canceled, slackapi.Forbidden:
		return true
	case slackapi.NotFound, slackapi.InvalidArgument, slackapi.Conflict, slackapi.TooLarge, slackapi.Internal:
	}
	return false
}

// is reports one of Slack's own error codes.
func is(err error, code string) bool {
	var slack *slackapi.Error
	return errors.As(err, &slack) && slack.Code == code
}

// blocksOf reads blocks that may have been sent as text, and takes mass mentions out.
func (k *kit) blocksOf(raw json.RawMessage) (json.RawMessage, bool, error) {
	raw = bytes.TrimSpace(raw)
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		raw = json.RawMessage(s)
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, false, nil
	}
	if raw[0] != '[' || !json.Valid(raw) {
		return nil, false, &toolset.ArgumentError{Argument: "blocks", Problem: "must be a JSON array of Block Kit blocks"}
	}
	return k.Guard.Blocks(raw)
}

// An item is what became of one part of a call that does several things.
type item struct {
	OK        bool   `json:"ok"`
	TS        string `json:"ts,omitempty"`
	Permalink string `json:"permalink,omitempty"`
	Emoji     string `json:"emoji,omitempty"`
	User      string `json:"user,omitempty"`
	Error     string `json:"error,omitempty"`
}

// responses is the result of a call that does several things.
type responses struct {
	Responses []item `json:"responses" doc:"one for each part, in order"`
	carried
}

// notSent is the error of the parts that come after one that failed.
const notSent = "not_sent: an earlier part failed"

// A batch collects the responses.
type batch struct {
	ordered bool               // each part needs the one before it
	fault   func(error) string // the caller's words for an error

	out     responses
	notes   remarks
	first   error // the first part's that failed
	done    bool  // one part succeeded
	stopped bool
}

// skips reports that the next part is not to be done, and notes it as not sent: after the
// failure of another one it would fail as well, or come out of order.
func (b *batch) skips() bool {
	if b.stopped {
		b.out.Responses = append(b.out.Responses, item{Error: notSent})
	}
	return b.stopped
}

// add notes what became of a part.
func (b *batch) add(i item, how carried, err error) {
	i.OK = err == nil
	if err != nil {
		i.Error = b.fault(err)
		b.first = cmp.Or(b.first, err)
		b.stopped = b.ordered || stops(err)
	}
	b.done = b.done || i.OK
	b.out.DryRun = b.out.DryRun || how.DryRun
	b.out.Repeated = b.out.Repeated || how.Repeated
	b.out.WrittenAs = cmp.Or(b.out.WrittenAs, how.WrittenAs)
	b.out.Requests = append(b.out.Requests, how.Requests...)
	b.notes.add(how.Note)
	b.out.Note = b.notes.on("")
	b.out.Responses = append(b.out.Responses, i)
}

// result is what the call returns. When no part succeeded the first error is the call's.
func (b *batch) result() (responses, error) {
	if b.first != nil && !b.done {
		return responses{}, b.first
	}
	if b.out.Responses == nil {
		b.out.Responses = []item{}
	}
	return b.out, nil
}

// The two values of response_format.
const (
	concise  = "concise"
	detailed = "detailed"
)

const (
	// resolvePatience bounds the search for one name.
	resolvePatience = 25 * time.Second
	// namePatience and nameCalls bound what is spent on showing people's names.
	namePatience = 3 * time.Second
	nameCalls    = 20
)

// channel returns the id of the conversation that an argument names. Of a person that is the
// direct message that is there already.
func (k *kit) channel(ctx context.Context, s string) (string, error) {
	id, user, err := k.conversation(ctx, s)
	if err != nil || user == "" {
		return id, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	id, err = k.Names.DirectMessage(ctx, user)
	if errors.Is(err, names.ErrNoChannel) {
		return "", fault("no_direct_message: there is no direct message with that user yet. slack_post_message to the user begins one.")
	}
	return id, k.unresolved(ctx, err)
}

// recipient is channel for what posts a message. The direct message with a person is opened
// when there is none, which no user sees; not in a rehearsal, and not when it must not be
// written to: then the person's id stands for it. user is the person, "" for a channel.
func (k *kit) recipient(ctx context.Context, s string, how safety) (id, user string, err error) {
	id, user, err = k.conversation(ctx, s)
	if err != nil || user == "" {
		return id, user, err
	}
	if id, known := k.Names.KnownDirectMessage(user); known {
		return id, user, nil
	}
	if k.Guard.Check(ctx, user) != nil { // its id may be allowed
		ctx, cancel := context.WithTimeout(ctx, resolvePatience)
		defer cancel()
		if id, err := k.Names.DirectMessage(ctx, user); err == nil {
			return id, user, nil
		}
		return user, user, nil
	}
	if how.DryRun {
		return user, user, nil
	}
	c, err := k.Slack.OpenDM(ctx, user)
	if err != nil {
		return "", user, err
	}
	k.Names.KeepDirectMessage(user, c.ID)
	return c.ID, user, nil
}

// conversation returns what an argument names: a conversation's id, or a user's.
func (k *kit) conversation(ctx context.Context, s string) (id, user string, err error) {
	ref, err := names.ParseChannel(s)
	switch {
	case err != nil:
		return "", "", &toolset.ArgumentError{Argument: "channel", Problem: err.Error()}
	case ref.ID != "":
		return ref.ID, "", nil
	case k.Names == nil:
		return "", "", &toolset.ArgumentError{Argument: "channel", Problem: "without a Slack token names cannot be resolved; give the id"}
	}
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	if ref.User != nil {
		user, err = k.Names.UserLike(ctx, *ref.User)
	} else {
		id, err = k.Names.ChannelLike(ctx, ref.Name)
	}
	return id, user, k.unresolved(ctx, err)
}

// user returns the id of the user that an argument names.
func (k *kit) user(ctx context.Context, s string) (string, error) {
	ref, err := names.ParseUser(s)
	switch {
	case err != nil:
		return "", &toolset.ArgumentError{Argument: "user", Problem: err.Error()}
	case ref.ID != "":
		return ref.ID, nil
	case k.Names == nil:
		return "", &toolset.ArgumentError{Argument: "user", Problem: "without a Slack token names cannot be resolved; give the id"}
	}
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	id, err := k.Names.UserLike(ctx, ref)
	if err != nil {
		return "", k.unresolved(ctx, err)
	}
	return id, nil
}

// users returns the ids of several users.
func (k *kit) users(ctx context.Context, list []string) ([]string, error) {
	ids := make([]string, len(list))
	for i, s := range list {
		id, err := k.user(ctx, s)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// unresolved turns a resolver's error into words. The resolver's error stays beside them, for
// the resources, which have a word of their own for what is not there.
func (k *kit) unresolved(ctx context.Context, err error) error {
	var several *names.AmbiguousError
	var channels *names.AmbiguousChannelError
	switch {
	case errors.As(err, &several):
		return errors.Join(faultf("ambiguous_user: several users have that name. Give one of the ids: %s.", k.called(ctx, several.Users)), err)
	case errors.As(err, &channels):
		return errors.Join(faultf("ambiguous_channel: no channel has that name, and several have one like it. Give one of the ids: %s.", channels.List(!k.Judge.Lockdown())), err)
	case errors.Is(err, names.ErrNoChannel):
		return errors.Join(fault("channel_not_found: no channel of that name is in sight of the bot. Find channels with slack_list_channels; ask a member of a private channel to invite the bot; an archived channel needs its id."), err)
	case errors.Is(err, names.ErrNoUser):
		return errors.Join(fault("user_not_found: nobody has that name or address. Find users with slack_search_users."), err)
	case errors.Is(err, names.ErrNoCursor):
		return &toolset.ArgumentError{Argument: "cursor", Problem: "what it stands behind is gone; start again without one"}
	case errors.Is(err, names.ErrUnfinished):
		return fault("still_searching: the workspace is large and Slack limits how fast its lists can be read. Call again in 30 seconds to go on searching, or give the id.")
	case errors.Is(err, names.ErrTooLong):
		return fault("too_many_names: the workspace has more names than the server keeps, and one that it does not keep may be the same. Give the id, or of a person the e-mail address.")
	}
	return err
}

// self returns who the bot is, or the zero value when that cannot be found out: provenance is
// then unknown, which is the careful side.
func (k *kit) self(ctx context.Context) slackapi.Identity {
	if k.Names == nil {
		return slackapi.Identity{}
	}
	id, err := k.Names.Self(ctx)
	if err != nil {
		return slackapi.Identity{}
	}
	return id
}

// whenDoc is what the schemas say about an argument that is an instant.
const whenHelp = "write an instant as a ts (1700000000.123456), as ISO 8601 (2026-01-31 or 2026-01-31T09:00:00Z), or as an age (90s, 15m, 2h, 1d, 2w)"

var age = regexp.MustCompile(`^([0-9]{1,6})\s*([smhdw])$`)

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// zoned and zonefree are the forms of ISO 8601 that people write, with a zone and without.
var (
	zoned    = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00"}
	zonefree = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}
)

// instant reads a point in time; "" is the zero time. What is written without a zone is of now's.
func instant(argument, s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today":
		return midnight(now), nil
	case "yesterday":
		return midnight(now).AddDate(0, 0, -1), nil
	}
	if m := age.FindStringSubmatch(strings.ToLower(s)); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			return ago(now, n, units[m[2]]), nil
		}
	}
	if t, ok := fromTS(s); ok {
		return t, nil
	}
	for _, layout := range slices.Concat(zoned, zonefree) {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &toolset.ArgumentError{Argument: argument, Problem: whenHelp}
}

// ago is an instant before now, but not before Slack's times begin.
func ago(now time.Time, n int, unit time.Duration) time.Time {
	began := time.Unix(0, 0)
	if most := now.Sub(began) / unit; int64(n) > int64(most) {
		return began
	}
	return now.Add(-time.Duration(n) * unit)
}

// midnight is when the day began.
func midnight(now time.Time) time.Time {
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
}

// zoneless reports that an instant is written in ISO 8601 without its zone.
func zoneless(s string) bool {
	return slices.ContainsFunc(zonefree, func(layout string) bool {
		_, err := time.Parse(layout, strings.TrimSpace(s))
		return err == nil
	})
}

// fromTS reads a ts, or Unix seconds.
func fromTS(s string) (time.Time, bool) {
	seconds, micros, _ := strings.Cut(s, ".")
	if !names.IsTS(s) && (micros != "" || len(seconds) < 9 || len(seconds) > 12) {
		return time.Time{}, false
	}
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	usec := int64(0)
	if micros != "" {
		if usec, err = strconv.ParseInt(micros, 10, 64); err != nil {
			return time.Time{}, false
		}
	}
	return time.Unix(sec, usec*1000), true
}

// slackTS reads an instant as Slack's methods take it; a ts stays as it was written.
func slackTS(argument, s string, now time.Time) (string, error) {
	if s = strings.TrimSpace(s); names.IsTS(s) {
		return s, nil
	}
	t, err := instant(argument, s, now)
	if err != nil || t.IsZero() {
		return "", err
	}
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000), nil
}

// upcoming reads a point in time that is still to come: an age is how far ahead it is.
func upcoming(argument, s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "in "))
	if m := age.FindStringSubmatch(strings.ToLower(strings.TrimPrefix(s, "+"))); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return now.Add(time.Duration(n) * units[m[2]]), nil
		}
	}
	t, err := instant(argument, s, now)
	if err != nil {
		return time.Time{}, &toolset.ArgumentError{Argument: argument, Problem: "write a time to come as ISO 8601 (2026-01-31T09:00:00+01:00), as Unix seconds, or as how far ahead it is (30m, 2h, 1d)"}
	}
	if !t.After(now) {
		return time.Time{}, &toolset.ArgumentError{Argument: argument, Problem: "it is in the past"}
	}
	return t, nil
}
