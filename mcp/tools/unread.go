package tools

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type listUnreadIn struct {
	Types  []string `json:"types,omitempty" alias:"channel_types" split:"," enum:"public_channel,private_channel,mpim,im" default:"im,mpim,private_channel,public_channel" doc:"Kinds of conversations"`
	Limit  int      `json:"limit,omitempty" min:"1" max:"40" default:"20" doc:"Most conversations to look at, the most recently active first; each costs one or two calls"`
	Cursor string   `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type channelsOut struct {
	view.Mark
	Channels []view.Channel `json:"channels"`
	paging
}

// An unreadChannel is a conversation with messages that the owner of the user token has not read.
type unreadChannel struct {
	view.Channel
	More bool `json:"unread_more,omitempty" doc:"there are more than unread_count"`
	readBy
}

type unreadOut struct {
	view.Mark
	Channels []unreadChannel `json:"channels"`
	LookedAt int             `json:"looked_at" doc:"conversations, read and unread"`
	paging
}

// Bounds of one look for what is unread.
const (
	maxUnreadCalls = 50
	maxUnreadLists = 4   // of those, for the list of the user's conversations
	maxUnread      = 100 // messages that are counted of one conversation
	unreadPatience = 25 * time.Second
)

// listUnread looks at the conversations of the owner of the user token that the caller's tools can
// read, the most recently active first. Slack tells how far a conversation was read for one
// at a time, and counts what is unread of direct messages alone; of others the messages behind the mark
// are counted.
func (k *kit) listUnread(ctx context.Context, c *toolset.Call, in listUnreadIn) (unreadOut, error) {
	behind, err := openPlace(in.Cursor)
	if err != nil {
		return unreadOut{}, err
	}
	if !k.servesUser(c) {
		return unreadOut{}, errNotAsUser
	}
	u := &unreadLook{user: k.Slack.AsUser(), calls: maxUnreadCalls, until: k.now().Add(unreadPatience), all: map[string]slackapi.Channel{}, ours: map[string]bool{}}
	if err := u.list(ctx, in.Types); err != nil {
		return unreadOut{}, err
	}
	if k.person {
		u.own()
	} else if err := u.botIn(ctx, k.Slack, in.Types); err != nil {
		return unreadOut{}, err
	}
	u.sort(ctx, k)
	u.offer(k.mayReadAsUser(c), behind)
	k.Names.Meet(ctx, u.first(in.Limit))
	out, r := unreadOut{Channels: []unreadChannel{}}, k.Judge.Reading(ctx)
	for i, at := range u.places {
		if i == in.Limit || u.calls < 2 || !k.now().Before(u.until) {
			break
		}
		api, by := k.Slack, readBy{}
		if !u.ours[at.id] {
			api, by.ReadAs = u.user, "user"
		}
		one, err := u.look(ctx, api, u.all[at.id])
		if u.fault = err; err != nil {
			break
		}
		if out.LookedAt++; one.UnreadCountDisplay > 0 {
			shown := unreadChannel{Channel: r.Channel(&one, false), More: u.more, readBy: by}
			shown.IsMember = u.ours[at.id] // the bot
			out.Channels = append(out.Channels, shown)
		}
	}
	err = u.end(&out)
	return out, err
}

// end says where the look goes on, and what it left out. Where it came nowhere it is a failure.
func (u *unreadLook) end(out *unreadOut) error {
	if u.fault != nil && out.LookedAt == 0 {
		return u.fault
	}
	if 0 < out.LookedAt && out.LookedAt < len(u.places) {
		out.NextCursor, out.HasMore = u.places[out.LookedAt-1].cursor(), true
	}
	out.Note = u.note(out.LookedAt)
	return nil
}

// An unreadLook is one look for what is unread, within its bounds.
type unreadLook struct {
	user  *slackapi.Client
	calls int // that are left
	until time.Time

	all    map[string]slackapi.Channel // by their ids
	ours   map[string]bool             // those that the bot is in
	places []place                     // of those to look at
	cut    bool                        // not all conversations are among them
	hidden int                         // that the caller's tools cannot read
	fault  error                       // that ended it
	more   bool                        // the last conversation has more than were counted
}

// first are the conversations that are looked at, at most n.
func (u *unreadLook) first(n int) (all []slackapi.Channel) {
	for _, at := range u.places[:min(n, len(u.places))] {
		all = append(all, u.all[at.id])
	}
	return all
}

// list finds the conversations of the user token's owner.
func (u *unreadLook) list(ctx context.Context, types []string) error {
	q := slackapi.ListQuery{Types: types, ExcludeArchived: true, Limit: 1000}
	for range maxUnreadLists {
		u.calls--
		page, err := u.user.UserConversations(ctx, "", q)
		if err != nil {
			return err
		}
		for i := range page.Channels {
			u.all[page.Channels[i].ID] = page.Channels[i]
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return nil
		}
	}
	u.cut = true
	return nil
}

// botIn notes the conversations of these kinds that the bot is in; without the scope for a kind it is
// in none of that. Slack refuses several kinds at once where the scope for one is missing.
func (u *unreadLook) botIn(ctx context.Context, bot *slackapi.Client, kinds []string) error {
	for _, kind := range kinds {
		u.calls--
		page, err := bot.UserConversations(ctx, "", slackapi.ListQuery{Types: []string{kind}, ExcludeArchived: true, Limit: 1000})
		if err != nil && !unseen(err) {
			return err
		}
		for i := range page.Channels {
			u.ours[page.Channels[i].ID] = true
		}
		u.cut = u.cut || page.NextCursor != ""
	}
	return nil
}

// own notes that all conversations of a person are theirs to read.
func (u *unreadLook) own() {
	for id := range u.all {
		u.ours[id] = true
	}
}

// offer leaves the places that the caller's tools can read, and of those the ones behind a place.
func (u *unreadLook) offer(asUser bool, behind place) {
	var left []place
	for _, at := range u.places {
		switch {
		case !asUser && !u.ours[at.id]:
			u.hidden++
		case behind.before(at):
			left = append(left, at)
		}
	}
	u.places = left
}

// A place is where a conversation stands in the order of the look: by when something was said there,
// as far as that is known, the newest first.
type place struct{ ts, id string }

func (p place) before(o place) bool { return p.ts > o.ts || p.ts == o.ts && p.id < o.id }

func (p place) cursor() string { return sealCursor(p.ts + " " + p.id) }

// openPlace reads a cursor; without one it is a place before all others.
func openPlace(cursor string) (place, error) {
	if cursor == "" {
		return place{ts: "a"}, nil
	}
	s, err := openCursor(cursor)
	ts, id, ok := strings.Cut(s, " ")
	if err == nil && !ok {
		err = &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this tool's; start again without one"}
	}
	return place{ts: ts, id: id}, err
}

// sort puts conversations in order: by the event log, and by what a search for the messages of the
// last days finds. Neither has to answer.
func (u *unreadLook) sort(ctx context.Context, k *kit) {
	active := map[string]string{}
	note := func(channel, ts string) { active[channel] = max(active[channel], ts) }
	if k.Events != nil {
		q := event.Query{Filter: event.Filter{Source: event.SourceSlack}, Limit: event.MaxLimit, NoBodies: true}
		_ = k.aid.Query(ctx, q, func(page event.Page) error {
			for i := range page.Events {
				note(page.Events[i].Channel, event.TS(page.Events[i].At))
			}
			return nil
		})
	}
	u.calls--
	days := k.now().UTC().AddDate(0, 0, -7).Format(time.DateOnly)
	if page, err := u.user.SearchMessages(ctx, slackapi.SearchQuery{Query: "after:" + days, ByTime: true, Count: 100}); err == nil {
		for i := range page.Matches {
			note(page.Matches[i].Channel.ID, page.Matches[i].TS)
		}
	}
	for id := range u.all {
		u.places = append(u.places, place{ts: active[id], id: id})
	}
	slices.SortFunc(u.places, func(a, b place) int {
		return cmp.Or(strings.Compare(b.ts, a.ts), strings.Compare(a.id, b.id))
	})
}

// look returns a conversation with how much of it is unread. It makes at most two calls.
func (u *unreadLook) look(ctx context.Context, api *slackapi.Client, c slackapi.Channel) (slackapi.Channel, error) {
	u.more = false
	if c.LastRead == "" || c.IsIM {
		u.calls--
		info, err := u.user.ConversationInfo(ctx, c.ID)
		if err != nil || info.IsIM {
			return info, err
		}
		c = info
	}
	u.calls--
	page, err := api.History(ctx, slackapi.HistoryQuery{Channel: c.ID, Oldest: c.LastRead, Limit: maxUnread})
	c.UnreadCountDisplay, u.more = 0, page.HasMore
	for i := range page.Messages {
		if !slices.Contains(comings, page.Messages[i].Subtype) {
			c.UnreadCountDisplay++
		}
	}
	return c, err
}

// comings are the subtypes of messages that Slack does not count as unread either.
var comings = []string{"channel_join", "channel_leave", "group_join", "group_leave"}

// note says what the look left out.
func (u *unreadLook) note(lookedAt int) string {
	var s []string
	if u.fault != nil {
		s = append(s, "Not all conversations could be looked at: "+Fault(u.fault))
	}
	if rest := len(u.places) - lookedAt; rest > 0 {
		s = append(s, fmt.Sprintf("Looked at the next %d conversations, the most recently active first; go on with next_cursor for the other %d.", lookedAt, rest))
	}
	if u.cut {
		s = append(s, "The user or the bot is in more conversations than were listed: some are missing.")
	}
	if u.hidden > 0 {
		s = append(s, fmt.Sprintf("%d of the user's conversations are left out, because the bot is not in them and your token may not read as the user.", u.hidden))
	}
	return strings.Join(s, " ")
}

type markReadIn struct {
	messageRef
	safety
}

func (k *kit) markRead(ctx context.Context, c *toolset.Call, in markReadIn) (posted, error) {
	if !k.servesUser(c) {
		return posted{}, errNotAsUser
	}
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety)
	if w.due {
		err = w.slack.AsUser().MarkRead(ctx, channel, ts)
		w.end(ctx, nothing{}, ts, err)
	}
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: w.carried}, err
}
