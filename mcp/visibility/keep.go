package visibility

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// Prefix begins the keys of what is kept: where the bot is installed follows, and what the row is about.
const Prefix = "visibility/"

// Rows of what is kept, by what they are about. A row has at most piece ids, and pieceBytes.
const (
	rowMembers = "members/" // of a conversation: its members
	rowGuests  = "guests/"  // of a guest: their public channels
	rowDirects = "directs/" // the bot's direct messages, as conversation:user
	rowPeople  = "people/"  // users, as id:flags:asked:workspaces
	rowAt      = "at"       // how far the log was read

	allDirects = rowDirects + "all"
	allPeople  = rowPeople + "all"

	// With what is unclear, and sealed, a row is below what a store takes.
	piece      = 4_000
	pieceBytes = 36 << 10
	keepEvery  = 10 * time.Second
	keepTime   = 5 * time.Second // of the last time
)

// A kept is a row.
type kept struct {
	// Epoch and Seq are how far the log was read when it was written.
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
	// At is when Slack was asked, in seconds.
	At int64 `json:"at"`
	// Of is how many rows there are of the same.
	Of  int    `json:"of"`
	IDs string `json:"ids,omitempty"`
	// Unclear are members of whom it is unknown whether they still are.
	Unclear string `json:"unclear,omitempty"`
}

// A whole is what is kept of one thing, in as many rows as it takes.
type whole struct {
	name    string // rowMembers and an id, and the like
	at      time.Time
	ids     []string
	unclear []string
}

// rows cuts it into rows, by their keys behind the prefix.
func (w *whole) rows(epoch string, seq uint64) map[string]kept {
	var parts []string
	n, size, from := 0, 0, 0
	for i, id := range w.ids {
		if n == piece || size+len(id) >= pieceBytes {
			parts, from, n, size = append(parts, strings.Join(w.ids[from:i], " ")), i, 0, 0
		}
		n, size = n+1, size+len(id)+1
	}
	parts = append(parts, strings.Join(w.ids[from:], " "))
	all := map[string]kept{}
	for i, ids := range parts {
		k := kept{Epoch: epoch, Seq: seq, At: w.at.Unix(), Of: len(parts), IDs: ids}
		if i == 0 {
			k.Unclear = strings.Join(w.unclear, " ")
		}
		all[w.name+"/"+strconv.Itoa(i)] = k
	}
	return all
}

// place is where the rows of this install begin.
func (j *Judge) place() string {
	self, _ := j.opt.Self()
	if self.Team == "" {
		return Prefix + self.Enterprise + "/"
	}
	return Prefix + self.Team + "/"
}

// restore takes in what was kept, and what has happened since by the log. It reports false when ctx has
// ended before. What cannot be restored is asked for anew.
func (j *Judge) restore(ctx context.Context) bool {
	for _, known := j.opt.Self(); !known; _, known = j.opt.Self() {
		if wait.Sleep(ctx, selfEvery) != nil {
			return false
		}
	}
	if j.opt.State != nil && j.opt.Log != nil {
		err := j.load(ctx)
		if err == nil {
			err = j.replay(ctx)
		}
		if err != nil {
			j.opt.Logger.LogAttrs(ctx, slog.LevelInfo, "what is known of who sees what is asked of Slack anew", slog.Any("error", err))
			j.mu.Lock()
			forgetAll(j)
			j.mu.Unlock()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ready = true
	j.changedFor(nil)
	return ctx.Err() == nil
}

// selfEvery is how often it is looked whether the install is known.
const selfEvery = 200 * time.Millisecond

// load reads all rows.
func (j *Judge) load(ctx context.Context) error {
	prefix := j.place()
	found := map[string][]kept{}
	for after := ""; ; {
		page, err := j.opt.State.List(ctx, prefix, after, 0)
		if err != nil || len(page) == 0 {
			j.adopt(found)
			return err
		}
		for _, e := range page {
			after = e.Key
			var k kept
			if json.Unmarshal(e.Value, &k) != nil {
				continue
			}
			name := strings.TrimPrefix(e.Key, prefix)
			if name == rowAt {
				j.mu.Lock()
				j.saved = event.NewPosition(k.Epoch, k.Seq)
				j.mu.Unlock()
				continue
			}
			name = name[:max(0, strings.LastIndexByte(name, '/'))]
			found[name] = append(found[name], k)
		}
	}
}

// adopt takes in what rows say, unless more is known already.
func (j *Judge) adopt(found map[string][]kept) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, rows := range found {
		first := rows[0]
		w := whole{name: name, at: time.Unix(first.At, 0)}
		n := 0
		for _, k := range rows {
			if k.Of == first.Of && k.At == first.At && k.Seq == first.Seq && k.Epoch == first.Epoch {
				n++
				w.ids, w.unclear = append(w.ids, strings.Fields(k.IDs)...), append(w.unclear, strings.Fields(k.Unclear)...)
			}
		}
		if n != first.Of || j.applied != "" && j.applied.Epoch() != first.Epoch {
			continue // it was written while it was read, or by two
		}
		what, id, _ := strings.Cut(name, "/")
		switch what + "/" {
		case rowMembers:
			j.adoptMembers(id, &w, through(first.Seq))
		case rowGuests:
			j.adoptGuest(id, &w, through(first.Seq))
		case rowDirects:
			j.adoptDirects(&w)
		case rowPeople:
			j.adoptPeople(&w, through(first.Seq))
		}
	}
}

func (j *Judge) adoptMembers(id string, w *whole, seq uint64) {
	c := j.conv(id)
	if c.taken > seq || !w.at.After(c.listedAt) {
		return
	}
	j.fill(c, w.ids, w.at, seq)
	for _, id := range w.unclear {
		if u := j.user(id); c.marks[u.index].seq <= seq {
			c.marks[u.index] = mark{is: unclear, at: w.at, seq: seq}
		}
	}
	j.changedFor(nil)
}

func (j *Judge) adoptGuest(id string, w *whole, seq uint64) {
	u := j.user(id)
	if u.taken > seq || !w.at.After(u.publicAt) {
		return
	}
	u.public, u.publicAt = make(map[string]struct{}, len(w.ids)), w.at
	for _, id := range w.ids {
		u.public[id] = struct{}{}
	}
	j.changedFor(u)
}

func (j *Judge) adoptDirects(w *whole) {
	for _, id := range w.ids {
		id, user, ok := strings.Cut(id, ":")
		if c := j.conv(id); ok && c.kind == untold && c.taken == 0 {
			c.kind, c.other, c.typedAt = direct, j.user(user).index, w.at
		}
	}
}

func (j *Judge) adoptPeople(w *whole, seq uint64) {
	for _, text := range w.ids {
		f := strings.Split(text, ":")
		if len(f) != 5 {
			continue
		}
		at, err := strconv.ParseInt(f[2], 36, 64)
		if u := j.user(f[0]); err == nil && u.taken <= seq && time.Unix(at, 0).After(u.at) {
			u.at, u.team = time.Unix(at, 0), f[3]
			u.deleted, u.guest, u.stranger = strings.Contains(f[1], "d"), strings.Contains(f[1], "g"), strings.Contains(f[1], "s")
			if f[4] != "" {
				u.teams = strings.Split(f[4], ",")
			}
			j.changedFor(u)
		}
	}
	if w.at.After(j.peopleAt) {
		j.peopleAt = w.at
	}
}

// replayed bounds how many events are read after a restart; behind more, Slack is asked anew.
const replayed = 1_000_000

var errTooFar = errors.New("too much has happened since")

// replay takes in what has happened since the rows were written.
func (j *Judge) replay(ctx context.Context) error {
	j.mu.RLock()
	from := j.saved
	j.mu.RUnlock()
	if from == "" {
		return errors.New("nothing was kept")
	}
	q := event.Query{Filter: event.Filter{Patterns: changes()}, After: from, Order: event.OldestFirst, Limit: event.MaxLimit}
	for range replayed / event.DefaultScanBudget {
		more := false
		err := j.opt.Log.Query(ctx, q, func(page event.Page) error {
			for i := range page.Events {
				j.Apply(&page.Events[i])
			}
			more = page.More
			if page.Next != "" {
				q.After = page.Next
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !more {
			j.mu.Lock()
			j.reached(q.After)
			j.mu.Unlock()
			return nil
		}
	}
	return errTooFar
}

// keepUp writes what changes, and takes in what other replicas have written, until ctx is done.
func (j *Judge) keepUp(ctx context.Context) {
	if j.opt.State == nil || j.opt.Log == nil {
		return
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { j.heed(ctx) })
	for wait.Sleep(ctx, keepEvery) == nil {
		j.keep(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	j.keep(last)
}

// heed takes in what other replicas write.
func (j *Judge) heed(ctx context.Context) {
	prefix := j.place()
	backoff := wait.Backoff{First: time.Second, Most: lastAgain}
	for ctx.Err() == nil {
		err := j.opt.State.Watch(ctx, prefix, func(ch state.Change) {
			name, n, _ := cutLast(strings.TrimPrefix(ch.Key, prefix))
			if ch.Gone || n != "0" {
				return
			}
			if rows, err := j.rowsOf(ctx, prefix, name); err == nil && len(rows) > 0 {
				j.adopt(map[string][]kept{name: rows})
			}
		})
		if err != nil {
			_ = backoff.Sleep(ctx) // the loop ends with ctx
		}
	}
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func (j *Judge) rowsOf(ctx context.Context, prefix, name string) ([]kept, error) {
	page, err := j.opt.State.List(ctx, prefix+name+"/", "", 0)
	var rows []kept
	for _, e := range page {
		var k kept
		if json.Unmarshal(e.Value, &k) == nil {
			rows = append(rows, k)
		}
	}
	return rows, err
}

// keep writes what has changed, and how far the log was read.
func (j *Judge) keep(ctx context.Context) {
	list, at, over := j.changed()
	epoch := at.Epoch()
	seq, ok := at.Seq()
	if !ok || len(list) == 0 && at == j.kept {
		j.unkept(list, over)
		return // no event was seen yet, or none since
	}
	prefix := j.place()
	for i := range list {
		for key, k := range list[i].rows(epoch, seq) {
			if err := j.put(ctx, prefix+key, k, over); err != nil {
				j.unkept(list, over)
				return
			}
		}
	}
	if j.put(ctx, prefix+rowAt, kept{Epoch: epoch, Seq: seq, Of: 1}, over) != nil {
		j.unkept(list, over)
		return
	}
	j.kept = at
}

// changed returns what has to be written, how far the log was read, and whether that is to be written over rows of
// later positions.
func (j *Judge) changed() (list []whole, at event.Position, over bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name := range j.dirty {
		list = append(list, j.whole(name))
	}
	clear(j.dirty)
	over, j.astray = j.astray, false
	return list, j.applied, over
}

// unkept notes that rows have to be written the next time.
func (j *Judge) unkept(list []whole, over bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.astray = j.astray || over
	for i := range list {
		j.dirty[list[i].name] = struct{}{}
	}
}

// whole is what is known of one thing now. It requires j.mu.
func (j *Judge) whole(name string) (w whole) {
	w.name = name
	switch what, id, _ := strings.Cut(name, "/"); what + "/" {
	case rowMembers:
		j.wholeMembers(&w, j.conv(id))
	case rowGuests:
		u := j.user(id)
		w.at = u.publicAt
		for id := range u.public {
			w.ids = append(w.ids, id)
		}
	case rowDirects:
		w.at = j.opt.Now()
		for id, c := range j.convs {
			if c.kind == direct {
				w.ids = append(w.ids, id+":"+j.byIndex[c.other].id)
			}
		}
	case rowPeople:
		w.at = j.peopleAt
		for _, u := range j.byIndex {
			if !u.at.IsZero() {
				w.ids = append(w.ids, u.text())
			}
		}
	}
	return w
}

func (j *Judge) wholeMembers(w *whole, c *conversation) {
	w.at = c.listedAt
	for _, i := range c.members {
		if c.marks[i].is != left || c.marks[i].at.IsZero() {
			w.ids = append(w.ids, j.byIndex[i].id)
		}
	}
	if len(c.marks) > maxMarks {
		w.at, w.ids = zero, nil // it is asked for anew
		return
	}
	for i, m := range c.marks {
		if m.is != left {
			w.unclear = append(w.unclear, j.byIndex[i].id)
		}
	}
}

// text is a user as a row has it.
func (u *user) text() string {
	var flags []byte
	for flag, is := range map[byte]bool{'d': u.deleted, 'g': u.guest, 's': u.stranger} {
		if is {
			flags = append(flags, flag)
		}
	}
	return strings.Join([]string{u.id, string(flags), strconv.FormatInt(u.at.Unix(), 36), u.team, strings.Join(u.teams, ",")}, ":")
}

// put writes a row, unless a newer one is there that it may not write over.
func (j *Judge) put(ctx context.Context, key string, k kept, over bool) error {
	value, err := json.Marshal(k)
	if err != nil {
		return err
	}
	for range 10 {
		p := state.Put{IfAbsent: true}
		e, err := j.opt.State.Get(ctx, key)
		if err == nil {
			var was kept
			if !over && json.Unmarshal(e.Value, &was) == nil && was.Epoch == k.Epoch && (was.Seq > k.Seq || was.Seq == k.Seq && was.At > k.At) {
				return nil
			}
			p = state.Put{IfVersion: e.Version}
		} else if !errors.Is(err, state.ErrNotFound) {
			return err
		}
		if _, err = j.opt.State.Put(ctx, key, value, p); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return state.ErrConflict
}
