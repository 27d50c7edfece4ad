package tools

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const setMessages = "messages"

// Slack's scopes for reading and writing conversations of every kind.
const (
	scopeHistory = "channels:history|groups:history|im:history|mpim:history"
	scopePost    = "chat:write"
	scopeRead    = "channels:read|groups:read|im:read|mpim:read"
	scopeManage  = "channels:write|channels:manage|groups:write|im:write|mpim:write"
)

func messageTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_post_message", Title: "Post a message", Set: setMessages, Default: true,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{scopePost},
			Description:       "Post something new to a channel or a user, as the bot. To answer an event use slack_reply_to_event, to answer in a thread slack_thread_reply.",
			PersonDescription: "Post something new to a channel or a user, as the user: others see it as theirs. To answer in a thread use slack_thread_reply.",
		}, (*kit).post),
		define(ks, toolset.Tool{
			Name: "slack_thread_reply", Title: "Reply in a thread", Set: setMessages, Default: true,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Answer in a thread that you have the ts or link of, with one or more messages, in order; when one fails, those after it are not sent.",
		}, (*kit).threadReply),
		define(ks, toolset.Tool{
			Name: "slack_read_channel_messages", Title: "Read a channel", Set: setMessages, Default: true,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeHistory},
			Description: "Read a channel's messages, newest first. Replies in threads are not among them: where reply_count is set, or for older_threads (with oldest), call slack_read_thread_messages.",
		}, (*kit).readChannel),
		define(ks, toolset.Tool{
			Name: "slack_read_thread_messages", Title: "Read a thread", Set: setMessages, Default: true,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeHistory},
			Description: "Read a thread: its first message, then the replies, oldest first.",
		}, (*kit).readThread),
		define(ks, toolset.Tool{
			Name: "slack_update_message", Title: "Change a message", Set: setMessages, Default: true,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{scopePost},
			Description: "Replace a message of the bot's own: its old text, blocks and attachments are lost.",
		}, (*kit).update),
		define(ks, toolset.Tool{
			Name: "slack_delete_message", Title: "Delete a message", Set: setMessages,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{scopePost},
			Description: "Delete a message of the bot itself, for good. Correct a mistake with slack_update_message instead.",
		}, (*kit).delete),
		define(ks, toolset.Tool{
			Name: "slack_schedule_message", Title: "Schedule a message", Set: setMessages,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Let Slack post a message later, up to 120 days ahead. slack_cancel_scheduled_message takes it back.",
		}, (*kit).schedule),
		define(ks, toolset.Tool{
			Name: "slack_list_scheduled_messages", Title: "List scheduled messages", Set: setMessages,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopePost},
			Description: "List the bot's messages that wait for their time, of one channel or of all. Take one back with slack_cancel_scheduled_message.",
		}, (*kit).listScheduled),
		define(ks, toolset.Tool{
			Name: "slack_cancel_scheduled_message", Title: "Cancel a scheduled message", Set: setMessages,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{scopePost},
			Description: "Take a scheduled message back before its time. Ids come from slack_schedule_message and slack_list_scheduled_messages.",
		}, (*kit).cancelScheduled),
		define(ks, toolset.Tool{
			Name: "slack_post_ephemeral", Title: "Show a message to one user", Set: setMessages,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Show a message in a channel to one user only; it is gone when they reload. What should stay: slack_post_message to the user.",
		}, (*kit).postEphemeral),
		define(ks, toolset.Tool{
			Name: "slack_get_permalink", Title: "Get a message's link", Set: setMessages, Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopePost + "|" + scopeHistory},
			Description: "Get the permanent link of a message, to show it to a person.",
		}, (*kit).permalink),
		define(ks, toolset.Tool{
			Name: "slack_search_messages", Title: "Search messages", Set: setMessages, Default: true,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{"search:read.public"}, UserNeeds: []string{"search:read"},
			Description:       "Search messages: with a user token all that its owner sees, with a bot token public channels, on behalf of a received event (event_id).",
			PersonDescription: "Search messages: all that the user sees.",
		}, (*kit).search),
		define(ks, toolset.Tool{
			Name: "slack_list_unread", Title: "List unread conversations", Set: setMessages,
			Scope: access.Read, For: toolset.AsPerson, UserNeeds: []string{scopeRead},
			Description: "List where the owner of the user token has unread messages, threads aside. Read them with slack_read_channel_messages (oldest = last_read), then call slack_mark_read.",
		}, (*kit).listUnread),
		define(ks, toolset.Tool{
			Name: "slack_mark_read", Title: "Mark as read", Set: setMessages,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Sets, UserNeeds: []string{scopeManage},
			Description: "Mark a conversation as read up to a message, for the owner of the user token. Do it only when the user asked for it.",
		}, (*kit).markRead),
	}
}

type postIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"id, #name or link, or a user (id, @name, e-mail) for a direct message"`
	words
	ThreadTS  string `json:"thread_ts,omitempty" doc:"Thread to reply in: ts or link of a message in it"`
	Broadcast bool   `json:"reply_broadcast,omitempty" doc:"Show it in the channel too"`
	Unfurl    bool   `json:"unfurl,omitempty" doc:"Let Slack fetch previews of links, which their owners see"`
	safety
}

// posted is where a message went.
type posted struct {
	view.Mark
	OK        bool         `json:"ok"`
	Channel   string       `json:"channel,omitempty"`
	To        *view.Person `json:"to,omitempty" doc:"the person who was named in place of a channel"`
	TS        string       `json:"ts,omitempty" doc:"the message's id in its channel"`
	ThreadTS  string       `json:"thread_ts,omitempty"`
	Permalink string       `json:"permalink,omitempty"`
	Cursor    string       `json:"cursor,omitempty" doc:"slack_wait_for_event returns what came since"`
	Message   *sentMessage `json:"message,omitempty"`
	carried
}

// sentMessage is the message as Slack stored it.
type sentMessage struct {
	TS       string     `json:"ts"`
	ThreadTS string     `json:"thread_ts,omitempty"`
	Text     string     `json:"text"`
	Flags    view.Flags `json:"flags,omitempty"`
}

func (k *kit) post(ctx context.Context, c *toolset.Call, in postIn) (posted, error) {
	channel, user, err := k.recipient(ctx, in.Channel, in.safety)
	if err != nil {
		return posted{}, err
	}
	thread, err := k.threadIn(ctx, "thread_ts", channel, in.ThreadTS)
	if err != nil {
		return posted{}, err
	}
	m, err := k.content(ctx, c, in.words)
	if err != nil {
		return posted{}, err
	}
	m.post.Channel, m.post.ThreadTS, m.post.Broadcast = channel, thread, in.Broadcast && thread != ""
	if err := k.Guard.Unfurl(in.Unfurl); err != nil {
		return posted{}, err
	}
	m.post.UnfurlLinks, m.post.UnfurlMedia = in.Unfurl, in.Unfurl
	out, err := k.deliver(ctx, c, m, in.safety)
	if err == nil {
		out.To = k.addressee(ctx, user)
	}
	return out, err
}

// addressee is the person to whom a message went, "" for a channel: then it is nil. What is not known of them is
// asked for within a short time, and else left out: the message has gone out, and its answer waits.
func (k *kit) addressee(ctx context.Context, user string) *view.Person {
	if user == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	u, err := k.Names.User(ctx, user)
	if err != nil {
		u = names.User{ID: user}
	}
	p := k.Judge.Reading(ctx).Person(&u)
	p.Brief()
	return &p
}

// delivered is what is kept of a message that was sent, for a repeat of its key.
type delivered struct {
	channel, ts, text, cursor string
	flags                     view.Flags
}

// deliver posts a message.
func (k *kit) deliver(ctx context.Context, c *toolset.Call, m said, s safety) (posted, error) {
	p := m.post
	d, w, err := begin[delivered](ctx, k, c, guard.Write{Channel: p.Channel, Sends: true, Arguments: m.arguments()}, s)
	if w.due {
		var sent slackapi.Posted
		d.cursor = k.cursorNow() // an answer comes behind it
		if err = w.posting(ctx, k); err == nil {
			sent, err = w.slack.PostMessage(ctx, p)
		}
		w.wrote(ctx, k, sent.Channel, sent.TS, err)
		d.channel, d.ts = sent.Channel, sent.TS
		if err == nil && !w.DryRun {
			k.own.add(ownPost{channel: sent.Channel, thread: cmp.Or(p.ThreadTS, sent.TS), ts: sent.TS})
		}
		d.text = d.flags.Text(sent.Message.Text, passage)
		w.end(ctx, d, d.ts, err)
	}
	if err != nil {
		return posted{}, err
	}
	w.Note = m.notes.on(w.Note)
	out := posted{OK: true, Channel: p.Channel, ThreadTS: p.ThreadTS, carried: w.carried}
	if w.DryRun {
		return out, nil
	}
	out.Channel, out.TS, out.Cursor = d.channel, d.ts, d.cursor
	out.Permalink = view.Permalink(k.self(ctx).URL, d.channel, d.ts, p.ThreadTS)
	out.Message = &sentMessage{TS: d.ts, ThreadTS: p.ThreadTS, Text: d.text, Flags: d.flags}
	return out, nil
}

type threadReplyIn struct {
	Channel   string   `json:"channel" alias:"channel_id" doc:"id, #name or link"`
	ThreadTS  string   `json:"thread_ts" doc:"ts or link of a message in it"`
	Texts     []string `json:"texts" alias:"text" max:"20" doc:"One reply each, in order"`
	Broadcast bool     `json:"reply_broadcast,omitempty" doc:"Show them in the channel too"`
	naming
	safety
}

// replied is what became of replies.
type replied struct {
	responses
	Cursor string `json:"cursor,omitempty" doc:"slack_wait_for_event returns what came since the first reply"`
}

func (k *kit) threadReply(ctx context.Context, c *toolset.Call, in threadReplyIn) (out replied, err error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return replied{}, err
	}
	thread, err := k.threadIn(ctx, "thread_ts", channel, in.ThreadTS)
	if err != nil {
		return replied{}, err
	}
	if slices.Contains(in.Texts, "") {
		return replied{}, &toolset.ArgumentError{Argument: "texts", Problem: "one of them is empty"}
	}
	b := batch{ordered: true, fault: k.fault}
	looking, cancel := context.WithTimeout(ctx, mentionPatience) // for all of them
	defer cancel()
	for n, text := range in.Texts {
		if b.skips() {
			continue
		}
		m, err := k.content(looking, c, words{Text: text, naming: in.naming})
		var r posted
		if err == nil {
			m.post.Channel, m.post.ThreadTS, m.post.Broadcast = channel, thread, in.Broadcast
			r, err = k.deliver(ctx, c, m, in.part(strconv.Itoa(n)))
		}
		b.add(item{TS: r.TS, Permalink: r.Permalink}, r.carried, err)
		out.Cursor = cmp.Or(out.Cursor, r.Cursor)
	}
	out.responses, err = b.result()
	return out, err
}

type updateIn struct {
	messageRef
	words
	safety
}

func (k *kit) update(ctx context.Context, c *toolset.Call, in updateIn) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	m, err := k.content(ctx, c, in.words)
	if err != nil {
		return posted{}, err
	}
	p := m.post
	if q, err := k.questionAt(ctx, c.Principal.Owner(), channel, ts); q != nil || err != nil {
		return posted{}, cmp.Or(err, errQuestion)
	}
	// The message is replaced whole: Slack would keep old attachments, and old blocks, which it
	// shows in place of a new text.
	emptyList := json.RawMessage("[]")
	// Slack takes no word about previews when a message is changed.
	if err := k.Guard.Links(p.Blocks, p.Text, p.Markdown); err != nil {
		return posted{}, err
	}
	u := slackapi.Update{Channel: channel, TS: ts, Text: p.Text, Markdown: p.Markdown, Blocks: p.Blocks, Attachments: emptyList, NoLinks: k.Guard.NoRemote()}
	if p.Blocks == nil && p.Markdown == "" {
		u.Blocks = emptyList
	}
	args := []any{channel, ts, in.words}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: args}, in.safety)
	if w.due {
		var r slackapi.Posted
		if err = cmp.Or(k.asksNothing(ctx, w.DryRun, channel, ts), w.posting(ctx, k)); err == nil {
			r, err = w.slack.UpdateMessage(ctx, u)
		}
		w.wrote(ctx, k, channel, ts, err)
		w.end(ctx, nothing{}, r.TS, err)
	}
	if err != nil {
		return posted{}, err
	}
	w.Note = m.notes.on(w.Note)
	return posted{OK: true, Channel: channel, TS: ts, Permalink: view.Permalink(k.self(ctx).URL, channel, ts, ""), carried: w.carried}, nil
}

type deleteIn struct {
	messageRef
	safety
}

// errQuestion is the refusal to change the message of a question.
var errQuestion error = fault("is_a_question: the message is a question of slack_ask, and only who asked may delete it, which withdraws it; nobody may change it. Nothing was changed. Withdraw your own with slack_delete_message and ask anew with slack_ask.")

func (k *kit) delete(ctx context.Context, c *toolset.Call, in deleteIn) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	question, err := k.questionAt(ctx, c.Principal.Owner(), channel, ts)
	if err != nil || question != nil && question.Principal != c.Principal.Owner() {
		return posted{}, cmp.Or(err, errQuestion)
	}
	by := k
	if question != nil {
		by = k.asBot()
	}
	_, w, err := begin[nothing](ctx, by, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety)
	if w.due {
		switch {
		case question == nil:
			err = k.asksNothing(ctx, w.DryRun, channel, ts)
		case !w.DryRun:
			err = k.Asks.Withdraw(ctx, question.ID)
		}
		if err == nil {
			err = w.slack.DeleteMessage(ctx, channel, ts)
		}
		w.end(ctx, nothing{}, ts, err)
	}
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: w.carried}, err
}

type ephemeralIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"id, #name or link"`
	User    string `json:"user" alias:"user_id" doc:"Who sees it: id, @name or e-mail, in the channel"`
	words
	ThreadTS string `json:"thread_ts,omitempty" doc:"Thread to show it in: ts or link of a message in it"`
	safety
}

func (k *kit) postEphemeral(ctx context.Context, c *toolset.Call, in ephemeralIn) (posted, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return posted{}, err
	}
	user, err := k.user(ctx, in.User)
	if err != nil {
		return posted{}, err
	}
	m, err := k.content(ctx, c, in.words)
	if err != nil {
		return posted{}, err
	}
	p := &m.post
	p.Channel = channel
	if p.ThreadTS, err = k.threadIn(ctx, "thread_ts", channel, in.ThreadTS); err != nil {
		return posted{}, err
	}
	args := []any{user, m.arguments()}
	sent, w, err := begin[string](ctx, k, c, guard.Write{Channel: channel, Sends: true, Arguments: args}, in.safety)
	if w.due {
		sent, err = w.slack.PostEphemeral(ctx, user, *p)
		w.end(ctx, sent, sent, err)
	}
	if err != nil {
		return posted{}, err
	}
	w.Note = m.notes.on(w.Note)
	return posted{OK: true, Channel: channel, TS: sent, ThreadTS: p.ThreadTS, carried: w.carried}, nil
}

type permalinkOut struct {
	OK        bool   `json:"ok"`
	Permalink string `json:"permalink"`
}

func (k *kit) permalink(ctx context.Context, _ *toolset.Call, in messageRef) (permalinkOut, error) {
	channel, ts, err := k.message(ctx, in)
	if err != nil {
		return permalinkOut{}, err
	}
	link, err := k.Slack.Permalink(ctx, channel, ts)
	return permalinkOut{OK: true, Permalink: link}, err
}

type scheduleIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"id, #name or link, or a user for a direct message"`
	words
	PostAt    string `json:"post_at" doc:"ISO 8601 with zone, Unix seconds, or how far ahead (30m, 2h, 1d)"`
	ThreadTS  string `json:"thread_ts,omitempty" doc:"Thread to reply in: ts or link of a message in it"`
	Broadcast bool   `json:"reply_broadcast,omitempty" doc:"Show it in the channel too"`
	safety
}

type scheduledOut struct {
	OK      bool   `json:"ok"`
	ID      string `json:"scheduled_message_id,omitempty"`
	Channel string `json:"channel"`
	PostAt  string `json:"post_at,omitempty"`
	carried
}

func (k *kit) schedule(ctx context.Context, c *toolset.Call, in scheduleIn) (scheduledOut, error) {
	channel, _, err := k.recipient(ctx, in.Channel, in.safety)
	if err != nil {
		return scheduledOut{}, err
	}
	at, err := upcoming("post_at", in.PostAt, k.now())
	if err != nil {
		return scheduledOut{}, err
	}
	m, err := k.content(ctx, c, in.words)
	if err != nil {
		return scheduledOut{}, err
	}
	if zoneless(in.PostAt) {
		m.notes.add("post_at was written without a zone and was taken as in " + k.Judge.Zone().String() + ".")
	}
	p := &m.post
	p.Channel = channel
	if p.ThreadTS, err = k.threadIn(ctx, "thread_ts", channel, in.ThreadTS); err != nil {
		return scheduledOut{}, err
	}
	p.Broadcast = in.Broadcast && p.ThreadTS != ""
	// The key stands for the words as they were written: "2h" is another instant on a repeat.
	args := []any{in.PostAt, m.arguments()}
	s, w, err := begin[slackapi.Scheduled](ctx, k, c, guard.Write{Channel: channel, Sends: true, Arguments: args}, in.safety)
	if w.due {
		s, err = w.slack.ScheduleMessage(ctx, *p, at)
		w.wrote(ctx, k, "", s.ID, err)
		w.end(ctx, slackapi.Scheduled{ID: s.ID, PostAt: s.PostAt}, s.ID, err)
	}
	if err != nil {
		return scheduledOut{}, err
	}
	w.Note = m.notes.on(w.Note)
	out := scheduledOut{OK: true, ID: s.ID, Channel: channel, PostAt: view.Time(at.Truncate(1e9)), carried: w.carried}
	if w.Repeated {
		out.PostAt = view.Unix(s.PostAt)
	}
	return out, nil
}

type listScheduledIn struct {
	Channel string `json:"channel,omitempty" alias:"channel_id" doc:"id, #name or link; all when absent"`
	Limit   int    `json:"limit,omitempty" min:"1" max:"100" default:"50" doc:"Most messages"`
	Cursor  string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type scheduledMessage struct {
	ID      string     `json:"scheduled_message_id"`
	Channel string     `json:"channel"`
	PostAt  string     `json:"post_at"`
	Text    string     `json:"text,omitempty"`
	Flags   view.Flags `json:"flags,omitempty"`
}

type listScheduledOut struct {
	view.Mark
	Messages []scheduledMessage `json:"scheduled_messages"`
	paging
}

func (k *kit) listScheduled(ctx context.Context, _ *toolset.Call, in listScheduledIn) (listScheduledOut, error) {
	out, channel := listScheduledOut{}, ""
	at, err := spotOf(in.Cursor)
	if err != nil {
		return out, err
	}
	if in.Channel != "" {
		if channel, err = k.channel(ctx, in.Channel); err != nil {
			return out, err
		}
	}
	page, err := k.Slack.ScheduledList(ctx, channel, at.cursor, in.Limit+at.skip)
	if err != nil {
		return out, err
	}
	r := k.Judge.Reading(ctx)
	shown, cut := fit(view.NewBudget(), behind(at, page.Messages), func(m *slackapi.Scheduled) scheduledMessage {
		v := scheduledMessage{ID: m.ID, Channel: m.Channel, PostAt: view.Unix(m.PostAt)}
		v.Text = r.Scheduled(m, passage, &v.Flags)
		return v
	})
	out.Messages = shown
	out.page(at.next(len(shown), cut, page.NextCursor), cut)
	return out, nil
}

type cancelScheduledIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"id, #name or link that it was to go to"`
	ID      string `json:"scheduled_message_id" alias:"id" doc:"Id of the scheduled message"`
	safety
}

func (k *kit) cancelScheduled(ctx context.Context, c *toolset.Call, in cancelScheduledIn) (scheduledOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return scheduledOut{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, in.ID}}, in.safety)
	if w.due {
		err = w.slack.DeleteScheduled(ctx, channel, in.ID)
		w.end(ctx, nothing{}, "", err)
	}
	return scheduledOut{OK: err == nil, ID: in.ID, Channel: channel, carried: w.carried}, err
}
