package visibility

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/slackapi"
)

const (
	// userPage is how many users are listed with one call; Slack advises against many more.
	userPage = 500
	// relistEvery is how often Run looks whether a list of members is old, and relistAhead how long before
	// its end it is made anew.
	relistEvery = time.Minute
	relistAhead = 30 * time.Minute
	// forgotten is after what time nothing is remembered of a conversation that the bot is not shown.
	forgotten = time.Hour
	// peopleEvery is how often all users are listed.
	peopleEvery = 20 * time.Hour
	// firstAgain and lastAgain are the pauses after a list that failed.
	firstAgain = 10 * time.Second
	lastAgain  = 5 * time.Minute
)

// Run restores what State has, lists the conversations of the bot, their members and the people of the
// workspace, keeps the lists fresh, and writes them to State, until ctx is done. Then the Judge is closed.
func (j *Judge) Run(ctx context.Context) error {
	defer j.Close()
	if !j.restore(ctx) {
		return nil
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { j.keepUp(ctx) })
	beside.Go(func() { j.listTypes(ctx) })
	beside.Go(func() { j.listMembers(ctx) })
	beside.Go(func() { j.listPeople(ctx) })
	return nil
}

// repeat calls list until ctx ends: every time after a pause that list returns, or when again has a value.
func (j *Judge) repeat(ctx context.Context, of string, again <-chan struct{}, list func(context.Context) (time.Duration, error)) {
	backoff := wait.Backoff{First: firstAgain, Most: lastAgain}
	for ctx.Err() == nil {
		pause, err := list(ctx)
		if err != nil {
			pause = backoff.Next()
			if ctx.Err() == nil {
				j.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "what people may see was not listed anew; what gets too old meanwhile is shown to nobody",
					slog.String("of", of), slog.Any("error", err), slog.Float64("again_in_seconds", pause.Seconds()))
			}
		} else {
			backoff.Reset()
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-again:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// listTypes lists what kinds of conversations the bot is in.
func (j *Judge) listTypes(ctx context.Context) {
	types := []string{"public_channel", "private_channel", "mpim"} // a direct message stays one
	j.repeat(ctx, "conversations", j.again.types, func(ctx context.Context) (time.Duration, error) {
		var all []slackapi.Channel
		began, err := j.list(ctx, "", types, itself(true), func(ch *slackapi.Channel) {
			ch.IsMember = true
			all = append(all, *ch)
		})
		if err != nil {
			return 0, err
		}
		j.told(began, all...)
		j.without(began, all)
		wake(j.again.members)
		return wait.Jitter(TypesEvery), nil
	})
}

// without forgets the conversations in which the bot is no longer, by a list of all.
func (j *Judge) without(began uint64, list []slackapi.Channel) {
	in := make(map[string]bool, len(list))
	for i := range list {
		in[list[i].ID] = true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, c := range j.convs {
		if (c.kind == unseen || c.kind == untold) && j.opt.Now().Sub(c.typedAt) > forgotten && c.taken < began {
			delete(j.convs, id) // ids that somebody wrote may be without number
			continue
		}
		if c.botIn && !in[id] && c.taken <= began && c.kind != direct && c.asked <= began {
			j.forget(id)
		}
	}
}

// listMembers lists who is in the private conversations, those first of which the least is known.
func (j *Judge) listMembers(ctx context.Context) {
	j.repeat(ctx, "members", j.again.members, func(ctx context.Context) (time.Duration, error) {
		var failed error
		for _, id := range j.old() {
			if err := j.fetch(ctx, access.Person{}, need{what: ofMembers, id: id}, false); err != nil {
				failed = err // of one; others may do
			}
		}
		return relistEvery, failed
	})
}

// old returns the conversations whose members have to be listed.
func (j *Judge) old() []string {
	j.mu.RLock()
	defer j.mu.RUnlock()
	now := j.opt.Now()
	var ids []string
	for id, c := range j.convs {
		if (c.kind == private || c.kind == group) && c.botIn && !c.refused && now.Sub(c.listedAt) >= MembersFresh-relistAhead {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return j.convs[a].listedAt.Compare(j.convs[b].listedAt) })
	return ids
}

// listPeople lists who is a guest, deactivated, or of another workspace.
func (j *Judge) listPeople(ctx context.Context) {
	j.repeat(ctx, "people", j.again.people, func(ctx context.Context) (time.Duration, error) {
		j.mu.RLock()
		next, again := j.peopleAt.Add(wait.Jitter(peopleEvery)), j.missed
		j.mu.RUnlock()
		now := j.opt.Now()
		if pause := next.Sub(now); pause > 0 && !again {
			return pause, nil
		}
		cursor := ""
		for range maxPages {
			var page slackapi.UserPage
			began := j.number()
			err := j.call(ctx, "users.list", itself(false), func(ctx context.Context) (err error) {
				began = j.number()
				page, err = j.opt.Bot.UserList(ctx, cursor, userPage)
				return err
			})
			if err != nil {
				return 0, err
			}
			j.people(began, page.Users...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		j.mu.Lock()
		j.peopleAt, j.missed = now, false
		j.mu.Unlock()
		return wait.Jitter(peopleEvery), nil
	})
}

// again asks the parts of Run to list at once.
type again struct{ types, members, people chan struct{} }

func newAgain() again {
	return again{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it will look
	}
}
