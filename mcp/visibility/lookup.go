package visibility

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/slackapi"
)

const (
	// share is the part of Slack's limits that the judge uses.
	share = 5
	// memberPage is how many members Slack gives in one answer.
	memberPage = 999
	// maxPages bounds one list.
	maxPages = 1_000
	// maxSteps is how many look-ups one pair may need: the person, the type, the members, their own verdict.
	maxSteps = 6
	// maxPairs and maxOwn bound the pairs that are looked up at once, of all and of one person: the others
	// wait behind few of theirs.
	maxPairs, maxOwn = 1_024, 8
	// maxPolite is how many of one person may be on their way for a look-up that nobody waits for to begin.
	maxPolite  = 2
	callTime   = 30 * time.Second
	pairTime   = 30 * time.Minute
	retryAfter = 10 * time.Second
	maxFailed  = 10_000
)

var errLater = errors.New("it was asked a moment ago, and Slack could not answer")

// A flight is a look-up that is on its way.
type flight struct {
	done   chan struct{}
	err    error       // once done is closed
	urgent atomic.Bool // somebody waits for it
}

func newFlight(urgent bool) *flight {
	f := &flight{done: make(chan struct{})}
	f.urgent.Store(urgent)
	return f
}

// An asker is for whom a call is made, and whether somebody waits for it, which may become so meanwhile.
type asker struct {
	person access.Person
	urgent func() bool
}

// itself is the judge as an asker.
func itself(urgent bool) asker { return asker{urgent: func() bool { return urgent }} }

// asking is what is being asked.
type asking struct {
	pace float64

	mu     sync.Mutex // guards what follows
	closed bool
	pairs  map[access.Person]map[string]*flight
	count  int
	needs  map[need]*flight
	later  map[need]time.Time // not before
	// stuck is until when it is of no use that a person waits: what they need cannot be asked before.
	stuck map[access.Person]time.Time
	gates map[string]*gate
}

func newAsking(pace float64) asking {
	return asking{
		pace: pace, pairs: map[access.Person]map[string]*flight{}, needs: map[need]*flight{}, later: map[need]time.Time{}, stuck: map[access.Person]time.Time{}, gates: map[string]*gate{},
	}
}

func (a *asking) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
}

// call makes one call of a method in its turn.
func (j *Judge) call(ctx context.Context, method string, by asker, do func(context.Context) error) error {
	g := j.asking.gate(method)
	if err := g.pass(ctx, by); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := do(ctx)
	g.failed(err)
	return err
}

// look asks in the background for what has to be known of a person and an event, or a conversation, of which
// rule is the ruling, and r the present one. It reports whether it has begun.
func (j *Judge) look(p access.Person, r ruling, urgent bool, rule func() ruling) bool {
	if r.need.what == ofNothing {
		if urgent {
			j.asking.hold(p, j.opt.Now().Add(startEvery))
		}
		return false
	}
	target := r.channel
	if target == "" {
		target = r.need.id
	}
	f, done := j.asking.begin(p, target, r.need, urgent, j.opt.Now(), &j.work)
	if f == nil {
		return false
	}
	go func() {
		defer j.work.Done()
		defer done()
		ctx, cancel := context.WithTimeout(j.ctx, pairTime)
		defer cancel()
		for range maxSteps {
			r := rule()
			if r.verdict != Unknown || r.need.what == ofNothing || j.fetch(ctx, p, r.need, f.urgent.Load()) != nil {
				return
			}
		}
	}()
	return true
}

// begin notes that a pair is looked up, and counts it in work; nil where it is already, or may not be now.
func (a *asking) begin(p access.Person, target string, n need, urgent bool, now time.Time, work *sync.WaitGroup) (f *flight, done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.pairs[p]
	if f := own[target]; f != nil {
		a.hurry(f, n, urgent)
		return nil, nil
	}
	until := a.later[n]
	if a.count >= maxPairs {
		until = now.Add(fullEvery)
	}
	switch {
	case a.closed, urgent && len(own) >= maxOwn, !urgent && (a.count >= maxPairs/2 || len(own) >= maxPolite):
		return nil, nil
	case now.Before(until):
		if urgent {
			a.keepStuck(p, until)
		}
		return nil, nil
	}
	if own == nil {
		own = map[string]*flight{}
		a.pairs[p] = own
	}
	f = newFlight(urgent)
	own[target] = f
	a.count++
	work.Add(1)
	return f, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.count--
		if delete(own, target); len(own) == 0 {
			delete(a.pairs, p)
		}
		close(f.done)
	}
}

// hurry notes that somebody waits now for what is on its way. It requires a.mu.
func (a *asking) hurry(f *flight, n need, urgent bool) {
	if !urgent {
		return
	}
	f.urgent.Store(true)
	if f := a.needs[n]; f != nil {
		f.urgent.Store(true)
	}
}

// fullEvery is how often it is of use to judge anew while so much is looked up that there is no room for more.
const fullEvery = time.Second

// startEvery is how often it is of use to judge anew while the server is starting.
const startEvery = 200 * time.Millisecond

func (a *asking) hold(p access.Person, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keepStuck(p, until)
}

// keepStuck requires a.mu.
func (a *asking) keepStuck(p access.Person, until time.Time) {
	if len(a.stuck) >= maxFailed {
		clear(a.stuck)
	}
	a.stuck[p] = until
}

// Await waits until the look-ups have ended that this person's Unknowns have started, or until ctx ends. It
// reports whether they all have. Where nothing can be asked because Slack could not answer a moment ago, it
// waits until it can. A reader that met an Unknown may hold so for a few seconds, and then judge
// once more: what is still Unknown then is a no.
func (j *Judge) Await(ctx context.Context, p access.Person) bool {
	j.asking.mu.Lock()
	var all []*flight
	for _, f := range j.asking.pairs[p] {
		if f.urgent.Load() {
			all = append(all, f)
		}
	}
	stuck := j.asking.stuck[p].Sub(j.opt.Now())
	j.asking.mu.Unlock()
	if len(all) == 0 && stuck > 0 {
		return wait.Sleep(ctx, stuck) == nil
	}
	for _, f := range all {
		select {
		case <-f.done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// fetch asks Slack for what is needed, once for all who need it at a time. What is not urgent goes behind what
// somebody waits for.
func (j *Judge) fetch(ctx context.Context, p access.Person, n need, urgent bool) error {
	a := &j.asking
	a.mu.Lock()
	if f := a.needs[n]; f != nil {
		a.hurry(f, n, urgent)
		a.mu.Unlock()
		select {
		case <-f.done:
			return f.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if j.opt.Now().Before(a.later[n]) {
		a.mu.Unlock()
		return errLater
	}
	f := newFlight(urgent)
	a.needs[n] = f
	a.mu.Unlock()
	f.err = j.ask(ctx, p, n, asker{p, f.urgent.Load})
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.needs, n)
	a.put(n, f.err, j.opt.Now())
	close(f.done)
	return f.err
}

// put notes until when a failed look-up is not tried again. It requires a.mu.
func (a *asking) put(n need, err error, now time.Time) {
	if err == nil {
		delete(a.later, n)
		return
	}
	pause := retryAfter
	if isMissing(err) {
		pause = YesFresh // it takes another consent
	}
	if e, ok := errors.AsType[*slackapi.Error](err); ok {
		pause = max(pause, e.RetryAfter)
	}
	if len(a.later) >= maxFailed {
		clear(a.later)
	}
	a.later[n] = now.Add(pause)
}

// ask asks Slack. An error says that it has not answered.
func (j *Judge) ask(ctx context.Context, p access.Person, n need, by asker) error {
	switch n.what {
	case ofType:
		return j.askType(ctx, n.id, by)
	case ofMembers:
		return j.askMembers(ctx, n.id, by)
	case ofOwn:
		return j.askOwn(ctx, p, n.id, by)
	case ofUser:
		return j.askUser(ctx, n.id, by)
	case ofGuest:
		return j.askGuest(ctx, n.id, by)
	case ofFile:
		return j.askFile(ctx, n.id, by)
	case ofGrant:
		return j.askGrant(ctx, p)
	case ofNothing:
	}
	return nil
}

// answered reports that an error is Slack's no to what was asked, and not a failure to answer.
func answered(err error) bool {
	e, ok := errors.AsType[*slackapi.Error](err)
	return ok && !e.SignIn && slices.Contains([]slackapi.Kind{slackapi.NotFound, slackapi.NotInChannel, slackapi.Forbidden, slackapi.MissingScope}, e.Kind)
}

// number is that of the last event that was taken in.
func (j *Judge) number() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.seq
}

func (j *Judge) askType(ctx context.Context, id string, by asker) error {
	var ch slackapi.Channel
	began := j.number()
	err := j.call(ctx, "conversations.info", by, func(ctx context.Context) (err error) {
		began = j.number()
		ch, err = j.opt.Bot.ConversationInfo(ctx, id)
		return err
	})
	switch {
	case err == nil && ch.ID == id:
		j.told(began, ch)
	case err == nil || answered(err):
		j.told(began, slackapi.Channel{ID: id})
	default:
		return err
	}
	return nil
}

// told takes in what Slack has said that conversations are, when the events up to began were known.
func (j *Judge) told(began uint64, list ...slackapi.Channel) {
	j.mu.Lock()
	defer j.mu.Unlock()
	changed := false
	for i := range list {
		c := j.conv(list[i].ID)
		if c.taken > began {
			continue // it has changed since
		}
		is := kindOf(&list[i])
		if is == untold {
			is = unseen
		}
		changed = changed || c.kind != is
		if c.kind != is && c.kind != untold && c.kind != unseen {
			j.drop(c)
		}
		if is == direct {
			c.other = j.user(list[i].User).index
			j.dirty[allDirects] = struct{}{}
		}
		c.kind, c.typedAt, c.shared, c.asked = is, j.opt.Now(), list[i].IsExtShared, began
		c.botIn = list[i].IsMember || is == private || is == group // which the bot is shown as a member alone
	}
	if changed {
		j.changedFor(nil)
	}
}

// askMembers lists who is in a conversation.
func (j *Judge) askMembers(ctx context.Context, id string, by asker) error {
	began := j.number()
	var ids []string
	cursor := ""
	for range maxPages {
		var page slackapi.MemberPage
		err := j.call(ctx, "conversations.members", by, func(ctx context.Context) (err error) {
			if cursor == "" {
				began = j.number()
			}
			page, err = j.opt.Bot.Members(ctx, id, cursor, memberPage)
			return err
		})
		if answered(err) {
			j.unlisted(id)
			return nil
		}
		if err != nil {
			return err
		}
		ids = append(ids, page.Members...)
		if cursor = page.NextCursor; cursor == "" {
			j.listed(id, ids, began)
			return nil
		}
	}
	return errors.New("the list of members does not end")
}

// unlisted notes that the bot is not told who is in a conversation.
func (j *Judge) unlisted(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.conv(id)
	c.refused, c.botIn, c.members, c.listedAt = true, false, nil, zero
	j.changedFor(nil)
}

// listed takes in who is in a conversation, when the events up to began were known.
func (j *Judge) listed(id string, ids []string, began uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.conv(id)
	if c.taken > began {
		return
	}
	j.fill(c, ids, j.opt.Now(), began)
	j.dirty[rowMembers+id] = struct{}{}
	j.changedFor(nil)
}

// fill notes who was in a conversation at a time, when the events up to began were known. What later ones have
// said of single people stays. It requires j.mu.
func (j *Judge) fill(c *conversation, ids []string, at time.Time, began uint64) {
	c.members = make([]uint32, len(ids))
	for i, id := range ids {
		c.members[i] = j.user(id).index
	}
	slices.Sort(c.members)
	c.listedAt = at
	for i, m := range c.marks {
		if m.seq <= began {
			delete(c.marks, i)
		}
	}
}

// askOwn asks Slack as the person whether they see a conversation.
func (j *Judge) askOwn(ctx context.Context, p access.Person, id string, by asker) error {
	var ch slackapi.Channel
	began := j.number()
	err := j.call(ctx, "conversations.info", by, func(ctx context.Context) (err error) {
		began = j.number()
		ch, err = j.opt.People.Conversation(ctx, p, id)
		return err
	})
	if err != nil && (!answered(err) || isMissing(err)) {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	c, u := j.conv(id), j.user(p.User)
	is := allowed
	if kind := kindOf(&ch); err != nil || ch.ID != id || !ch.IsMember && (kind == private || kind == public && u.guest) {
		is = refused
	}
	if c.taken > began || u.taken > began || c.marks[u.index].seq > began {
		return nil
	}
	c.marks[u.index] = mark{is: is, at: j.opt.Now(), seq: began}
	j.changedFor(u)
	return nil
}

// isMissing reports that a token lacks a scope, which is no answer about a person.
func isMissing(err error) bool {
	e, ok := errors.AsType[*slackapi.Error](err)
	return ok && e.Kind == slackapi.MissingScope
}

func (j *Judge) askUser(ctx context.Context, id string, by asker) error {
	var u slackapi.User
	began := j.number()
	err := j.call(ctx, "users.info", by, func(ctx context.Context) (err error) {
		began = j.number()
		u, err = j.opt.Bot.UserInfo(ctx, id)
		return err
	})
	switch {
	case err == nil && u.ID == id:
	case err == nil || answered(err) && !isMissing(err):
		u = slackapi.User{ID: id, IsStranger: true}
	default:
		return err
	}
	j.people(began, u)
	return nil
}

// people takes in who users are, when the events up to began were known.
func (j *Judge) people(began uint64, list ...slackapi.User) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range list {
		in := &list[i]
		u := j.user(in.ID)
		if u.taken > began {
			continue
		}
		was := *u
		u.at, u.team, u.teams = j.opt.Now(), in.TeamID, in.EnterpriseUser.Teams
		u.deleted, u.guest, u.stranger = in.Deleted, in.IsRestricted || in.IsUltraRestricted, in.IsStranger || in.IsBot
		if was.at.IsZero() || was.deleted != u.deleted || was.guest != u.guest || was.stranger != u.stranger {
			j.changedFor(u)
		}
	}
	j.dirty[allPeople] = struct{}{}
}

// askGuest lists the public channels that a guest is in.
func (j *Judge) askGuest(ctx context.Context, id string, by asker) error {
	in := map[string]struct{}{}
	began, err := j.list(ctx, id, []string{"public_channel"}, by, func(ch *slackapi.Channel) { in[ch.ID] = struct{}{} })
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	u := j.user(id)
	if u.taken > began {
		return nil
	}
	u.public, u.publicAt = in, j.opt.Now()
	j.dirty[rowGuests+id] = struct{}{}
	for _, c := range j.convs {
		if m, ok := c.marks[u.index]; ok && c.kind == public && m.seq <= began {
			delete(c.marks, u.index)
		}
	}
	j.changedFor(u)
	return nil
}

// list lists the conversations of a user, the bot's where that is empty.
func (j *Judge) list(ctx context.Context, id string, types []string, by asker, each func(*slackapi.Channel)) (began uint64, _ error) {
	began = j.number()
	q := slackapi.ListQuery{Types: types, Limit: memberPage}
	for range maxPages {
		var page slackapi.ChannelPage
		err := j.call(ctx, "users.conversations", by, func(ctx context.Context) (err error) {
			if q.Cursor == "" {
				began = j.number()
			}
			page, err = j.opt.Bot.UserConversations(ctx, id, q)
			return err
		})
		if err != nil {
			return began, err
		}
		for i := range page.Channels {
			each(&page.Channels[i])
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return began, nil
		}
	}
	return began, errors.New("the list of conversations does not end")
}

func (j *Judge) askFile(ctx context.Context, id string, by asker) error {
	var in slackapi.File
	j.mu.Lock()
	f := j.files[id]
	if f == nil {
		f = &file{} // so that an event meanwhile can mark it
		j.keepFile(id, f)
	}
	j.mu.Unlock()
	began := j.number()
	err := j.call(ctx, "files.info", by, func(ctx context.Context) (err error) {
		began = j.number()
		in, err = j.opt.Bot.FileInfo(ctx, id)
		return err
	})
	if err != nil && !answered(err) {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.files[id] != f || f.taken > began {
		return nil
	}
	f.at, f.owner, f.in = j.opt.Now(), "", nil
	if err == nil && in.ID == id {
		f.owner, f.in = in.User, slices.Concat(in.Channels, in.Groups, in.IMs, slices.Collect(maps.Keys(in.Shares.Public)), slices.Collect(maps.Keys(in.Shares.Private)))
	}
	j.changedFor(nil)
	return nil
}

// askGrant asks whether what a person allowed still holds.
func (j *Judge) askGrant(ctx context.Context, p access.Person) error {
	began := j.number()
	err := j.opt.People.Holds(ctx, p)
	if err != nil && !errors.Is(err, access.ErrRevoked) {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	u := j.user(p.User)
	if u.taken > began {
		return nil
	}
	u.suspect, u.revokedAt = false, zero
	if err != nil {
		u.suspect, u.revokedAt = true, j.opt.Now()
	}
	j.changedFor(u)
	return nil
}
