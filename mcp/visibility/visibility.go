// Package visibility decides which events a person who has signed in may see: those that Slack would
// show them now.
//
// It promises that what is unknown is not seen; that an event may take visibility away at once and never
// gives it, since only Slack's own answer does; that deciding makes no call and waits for nothing; and that
// nothing of an event's content is kept. Services, who see by their scopes, are not judged here.
package visibility

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/slackapi"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// A Verdict says whether a person may see something. The zero value is Hidden.
type Verdict uint8

const (
	// Hidden is a no.
	Hidden Verdict = iota
	// Visible is a yes.
	Visible
	// Unknown is treated as a no, and may become a yes when Slack has answered.
	Unknown
)

// String returns "hidden", "visible" or "unknown".
func (v Verdict) String() string {
	return [...]string{"hidden", "visible", "unknown"}[v]
}

// How long what Slack said counts.
const (
	// TypesEvery is how often the types of the bot's conversations are listed, and TypesFresh after how
	// long a type is unknown.
	TypesEvery = 5 * time.Minute
	TypesFresh = 15 * time.Minute
	// MembersFresh is how long a list of members counts while joins and leaves are heard of.
	MembersFresh = 6 * time.Hour
	// PeopleFresh is how long it counts who is a guest, deactivated, or of which workspace.
	PeopleFresh = 24 * time.Hour
	// YesFresh and NoFresh are how long the verdicts count that Slack gave about one person.
	YesFresh = 5 * time.Minute
	NoFresh  = time.Minute
)

// A Bot asks Slack with the bot's token. It is a *[slackapi.Client].
type Bot interface {
	ConversationInfo(ctx context.Context, channel string) (slackapi.Channel, error)
	Members(ctx context.Context, channel, cursor string, limit int) (slackapi.MemberPage, error)
	UserConversations(ctx context.Context, user string, q slackapi.ListQuery) (slackapi.ChannelPage, error)
	UserInfo(ctx context.Context, id string) (slackapi.User, error)
	UserList(ctx context.Context, cursor string, limit int) (slackapi.UserPage, error)
	FileInfo(ctx context.Context, id string) (slackapi.File, error)
}

// People ask with a person's own token, and never with another one.
type People interface {
	// Conversation is conversations.info as the person. An error that is Slack's answer is a
	// *[slackapi.Error].
	Conversation(ctx context.Context, p access.Person, channel string) (slackapi.Channel, error)
	// Holds returns nil when what the person allowed at Slack still holds, access.ErrRevoked when it does
	// not, and another error when that cannot be found out. It asks Slack.
	Holds(ctx context.Context, p access.Person) error
}

// An Install is where the bot is installed: in a workspace, or, with no Team, in an organization.
type Install struct {
	Host, Enterprise, Team string
	// Bot is the bot's user id.
	Bot string
}

// A SourceRule says which people see the events of a sender other than Slack. The zero value is nobody.
type SourceRule struct {
	// All are all full members who sign in.
	All bool
	// List are people, guests among them, as "T…/U…" or by the user's id alone.
	List []string
}

// Options configure a Judge.
type Options struct {
	// Bot and People ask Slack. Required.
	Bot    Bot
	People People
	// Self says where the bot is installed; ok is false until that is known, and nothing is seen
	// until then. Required.
	Self func() (self Install, ok bool)
	// State keeps what is known of memberships between two runs, below [Prefix]; it has to seal it. Log is
	// read after a restart for what happened meanwhile. Without both nothing is kept; with them nothing is
	// seen before [Judge.Run] has read them.
	State state.Store
	Log   event.Log
	// Sources are the rules of the senders other than Slack, by name. A sender without one is seen by
	// nobody.
	Sources map[string]SourceRule
	// OnUnknown is called for each Unknown of See with what was not known: one of [Needs]. nil calls nothing.
	OnUnknown func(need string)
	// Logger is told of what fails; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Pace slows or speeds the judge's look-ups; 1, and 0, are a fifth of what Slack grants each method.
	Pace float64
}

// A Judge decides what people see. It is safe for concurrent use.
type Judge struct {
	opt    Options
	ctx    context.Context //nolint:containedctx // of the look-ups in the background, which outlive the reader that wanted them
	cancel context.CancelFunc
	work   sync.WaitGroup
	asking asking

	mu sync.RWMutex // guards what follows
	// sources are the rules in force of the senders other than Slack: see SetSources.
	sources map[string]SourceRule
	// applied is the position of the last event of Apply, and seq a number that grows with each: see through.
	applied event.Position
	seq     uint64
	convs   map[string]*conversation
	users   map[string]*user
	byIndex []*user
	files   map[string]*file
	// gen grows when something changes that may concern everybody.
	gen      uint64
	watchers map[*watcher]struct{}
	// ready is that what was kept is restored, and saved how far the log had been read then.
	ready bool
	saved event.Position
	// peopleAt is when all users were listed, and missed that changes of theirs may have been missed since.
	peopleAt time.Time
	missed   bool
	dirty    map[string]struct{} // names of rows that have to be written
	astray   bool                // rows of later positions are of a log that is no more: see Forget

	again again

	kept event.Position // how far the log had been read when keep last wrote, for keep alone
}

// New returns a Judge that knows nothing yet. Look-ups run in the background until Close.
func New(o Options) (*Judge, error) {
	if o.Bot == nil || o.People == nil || o.Self == nil {
		return nil, errors.New("visibility: Bot, People and Self are required")
	}
	if o.OnUnknown == nil {
		o.OnUnknown = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pace <= 0 {
		o.Pace = 1
	}
	j := &Judge{
		opt: o, sources: o.Sources, asking: newAsking(o.Pace), convs: map[string]*conversation{}, users: map[string]*user{}, files: map[string]*file{},
		watchers: map[*watcher]struct{}{}, dirty: map[string]struct{}{}, again: newAgain(), ready: o.State == nil || o.Log == nil,
	}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j, nil
}

// Close ends the look-ups. After it what is unknown stays so.
func (j *Judge) Close() {
	j.asking.close()
	j.cancel()
	j.work.Wait()
}

// See decides whether a person may see an event now. It makes no call. An Unknown is counted, and Slack is
// asked in the background, once for all who want to know the same; see [Judge.Await].
//
// An event that Apply has not had yet is Unknown. One without its body (Raw) is judged by its other
// fields; where the body decides, see [NeedsBody], it is Hidden.
func (j *Judge) See(p access.Person, e *event.Event) Verdict {
	f := read(e)
	r := j.rule(p, e, &f)
	if r.verdict == Unknown {
		j.opt.OnUnknown(r.need.what.String())
		kept, f := *e, f
		kept.Raw = nil // it is the reader's
		j.look(p, r, true, func() ruling { return j.rule(p, &kept, &f) })
	}
	return r.verdict
}

// SetSources puts other rules of the senders other than Slack in force, in place of all; a nil Judge, by which nobody
// sees anything, has none. The Judge keeps the map.
func (j *Judge) SetSources(rules map[string]SourceRule) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	same := maps.EqualFunc(rules, j.sources, func(a, b SourceRule) bool { return a.All == b.All && slices.Equal(a.List, b.List) })
	if j.sources = rules; !same {
		j.changedFor(nil)
	}
}

// rule decides, and starts nothing.
func (j *Judge) rule(p access.Person, e *event.Event, f *facts) ruling {
	self, known := j.opt.Self()
	j.mu.RLock()
	defer j.mu.RUnlock()
	b := bench{Judge: j, self: self, known: known, now: j.opt.Now()}
	return b.event(p, e, f)
}

// SeeConversation decides whether a person may see what is said in a conversation now. Unlike See it starts no
// look-up: anybody can write ids without number into a message; see [Judge.Learn].
func (j *Judge) SeeConversation(p access.Person, channel string) Verdict {
	return j.alone(p, channel).verdict
}

// Learn begins to ask for what is not known of a person and a conversation, behind all that somebody waits for;
// Await does not wait for it. It reports whether it did: only of conversations of which the judge knows
// something, and for few at a time.
func (j *Judge) Learn(p access.Person, channel string) bool {
	j.mu.RLock()
	_, held := j.convs[channel]
	j.mu.RUnlock()
	r := j.alone(p, channel)
	return held && r.verdict == Unknown && j.look(p, r, false, func() ruling { return j.alone(p, channel) })
}

func (j *Judge) alone(p access.Person, channel string) ruling {
	self, known := j.opt.Self()
	j.mu.RLock()
	defer j.mu.RUnlock()
	b := bench{Judge: j, self: self, known: known, now: j.opt.Now()}
	return b.alone(p, channel)
}

// A Sight is which conversations a person may see, as it was at one moment.
type Sight struct {
	// Generation is another one after each change that may concern the person.
	Generation uint64
	// Until is when a part of it is too old to count.
	Until    time.Time
	verdicts map[string]Verdict
}

// Of returns the verdict on a conversation. A query may pass over what is Hidden. What is Unknown has to
// be read and judged, or it will never be looked up.
func (s Sight) Of(channel string) Verdict {
	v, ok := s.verdicts[channel]
	if !ok {
		return Unknown
	}
	return v
}

// Visible returns the ids of the conversations that the person may see, in no order.
func (s Sight) Visible() []string {
	var ids []string
	for id, v := range s.verdicts {
		if v == Visible {
			ids = append(ids, id)
		}
	}
	return ids
}

// sightFor bounds how long a Sight is good: the shortest time for which a verdict may count.
const sightFor = NoFresh

// Sight returns what is known of the conversations that a person may see. It starts no look-up.
func (j *Judge) Sight(p access.Person) Sight {
	self, known := j.opt.Self()
	j.mu.RLock()
	defer j.mu.RUnlock()
	b := bench{Judge: j, self: self, known: known, now: j.opt.Now()}
	s := Sight{Generation: j.generation(p), Until: b.now.Add(sightFor), verdicts: make(map[string]Verdict, len(j.convs))}
	for id := range j.convs {
		s.verdicts[id] = b.alone(p, id).verdict
	}
	return s
}

// Generation is that of the person's [Sight], without making one.
func (j *Judge) Generation(p access.Person) uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.generation(p)
}

// generation requires j.mu.
func (j *Judge) generation(p access.Person) uint64 {
	if u := j.users[p.User]; u != nil {
		return j.gen + u.gen
	}
	return j.gen
}

// A watcher is told of what changes for a person.
type watcher struct {
	user    string
	changed chan struct{}
}

// Watch returns a channel, of capacity one, that holds a value after any number of changes of what a person
// may see, before the event that made a change is visible to readers. stop must be called once.
func (j *Judge) Watch(p access.Person) (changed <-chan struct{}, stop func()) {
	w := &watcher{user: p.User, changed: make(chan struct{}, 1)}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watchers[w] = struct{}{}
	return w.changed, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.watchers, w)
	}
}

// changedFor notes that something has changed for a user, or for everybody where that is nil. It requires
// j.mu.
func (j *Judge) changedFor(u *user) {
	if u == nil {
		j.gen++
	} else {
		u.gen++
	}
	for w := range j.watchers {
		if u == nil || w.user == u.id {
			select {
			case w.changed <- struct{}{}:
			default: // it has not looked since the last one
			}
		}
	}
}

// Stats are how much a Judge knows.
type Stats struct {
	// Conversations are those whose type counts, Listed the private ones whose members do, and Pairs how
	// many members these have together.
	Conversations, Listed, Pairs int
	// People are the users of whom it counts who they are.
	People int
	// Pending are the look-ups that somebody waits for.
	Pending int
}

// Stats returns how much is known now.
func (j *Judge) Stats() (s Stats) {
	j.asking.mu.Lock()
	s.Pending = j.asking.count
	j.asking.mu.Unlock()
	j.mu.RLock()
	defer j.mu.RUnlock()
	b := bench{Judge: j, now: j.opt.Now()}
	for _, c := range j.convs {
		if !b.typed(c) {
			continue
		}
		s.Conversations++
		if (c.kind == private || c.kind == group) && b.fresh(c.listedAt, MembersFresh) {
			s.Listed++
			s.Pairs += len(c.members)
		}
	}
	for _, u := range j.byIndex {
		if b.fresh(u.at, PeopleFresh) {
			s.People++
		}
	}
	return s
}
