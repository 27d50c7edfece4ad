package tools

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"slackmcp/internal/emoji"
	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const setReactions = "reactions"

func reactionTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_add_reactions", Title: "Add reactions", Set: setReactions, Default: true,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Sets, Needs: []string{"reactions:write"},
			Description: "Put emoji on a message, each with its own result; one that is there counts as done.",
		}, (*kit).addReactions),
		define(ks, toolset.Tool{
			Name: "slack_remove_reactions", Title: "Remove reactions", Set: setReactions,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{"reactions:write"},
			Description: "Take the bot's emoji off a message, each with its own result; one that is not there counts as done.",
		}, (*kit).removeReactions),
		define(ks, toolset.Tool{
			Name: "slack_get_reactions", Title: "Get reactions", Set: setReactions,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{"reactions:read"},
			Description: "Get a message with all its reactions and who reacted. Use it to count votes or see who confirmed.",
		}, (*kit).getReactions),
		define(ks, toolset.Tool{
			Name: "slack_read_emojis", Title: "Read custom emoji", Set: setReactions, Default: true,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{"emoji:read"},
			Description: "Read the workspace's own emoji: name and image, or alias. Standard emoji are not among them.",
		}, (*kit).readEmojis),
		define(ks, toolset.Tool{
			Name: "slack_search_emojis", Title: "Search custom emoji", Set: setReactions,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{"emoji:read"},
			Description: "Search the workspace's own emoji by parts of their names. Use what it finds with slack_add_reactions, or as :name: in a text.",
		}, (*kit).searchEmojis),
	}
}

// messageRef names the message that a tool is about.
type messageRef struct {
	Channel   string `json:"channel,omitempty" alias:"channel_id" doc:"id, #name or link; not needed with a permalink"`
	Timestamp string `json:"timestamp" alias:"ts,message_ts,message" doc:"ts or permalink"`
}

// message returns the ids of a message.
func (k *kit) message(ctx context.Context, in messageRef) (channel, ts string, err error) {
	ts = in.Timestamp
	if !names.IsTS(ts) {
		m, err := names.ParseLink(ts)
		if err != nil || m.TS == "" {
			return "", "", &toolset.ArgumentError{Argument: "timestamp", Problem: "write a ts (1700000000.123456) or a message's permalink"}
		}
		ts = m.TS
		if in.Channel == "" {
			return m.Channel, ts, nil
		}
	}
	if in.Channel == "" {
		return "", "", &toolset.ArgumentError{Argument: "channel", Problem: "give the channel, or the message's permalink as timestamp"}
	}
	channel, err = k.channel(ctx, in.Channel)
	return channel, ts, err
}

type reactionsIn struct {
	messageRef
	Emojis []string `json:"emojis" alias:"emoji,name,reactions" split:"," max:"23" doc:"Names without colons, or characters"`
	safety
}

func (k *kit) addReactions(ctx context.Context, c *toolset.Call, in reactionsIn) (responses, error) {
	return k.react(ctx, c, in, "already_reacted", (*slackapi.Client).AddReaction)
}

func (k *kit) removeReactions(ctx context.Context, c *toolset.Call, in reactionsIn) (responses, error) {
	return k.react(ctx, c, in, "no_reaction", (*slackapi.Client).RemoveReaction)
}

// react changes one reaction for each emoji. The code done is Slack's word for "so already".
func (k *kit) react(ctx context.Context, c *toolset.Call, in reactionsIn, done string, change func(api *slackapi.Client, ctx context.Context, channel, ts, emoji string) error) (responses, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return responses{}, err
	}
	b := batch{fault: k.fault}
	for _, written := range in.Emojis {
		if b.skips() {
			continue
		}
		name := emojiName(written)
		_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts, name}}, in.part(name))
		if w.due {
			if err = change(w.slack, ctx, channel, ts, name); is(err, done) {
				err = nil
			}
			w.end(ctx, nothing{}, ts, err)
		}
		if is(err, "invalid_name") {
			err = errors.Join(k.nearEmoji(ctx, name), err)
		}
		b.add(item{Emoji: name}, w.carried, err)
	}
	return b.result()
}

// emojiName is Slack's name of an emoji that was written as its name, with colons or without, or
// as its character.
func emojiName(written string) string {
	written = strings.Trim(strings.TrimSpace(written), ":")
	if name, ok := emoji.Name(written); ok {
		return name
	}
	return written
}

const unknownEmoji = "There is no emoji of that name. Look it up with slack_search_emojis, or see the workspace's own with slack_read_emojis"

// nearEmoji says that there is no emoji of a name, and which ones are like it.
func (k *kit) nearEmoji(ctx context.Context, name string) error {
	all := emoji.Names()
	if own, err := k.Slack.EmojiList(ctx); err == nil { // without emoji:read the standard ones have to do
		all = append(all, slices.Collect(maps.Keys(own))...)
	}
	base, _, _ := strings.Cut(strings.ToLower(name), "::")
	if strings.ContainsFunc(base, func(r rune) bool { return unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) }) {
		return fault("invalid_name: Slack has no emoji of these characters: write one emoji an item, of one skin tone, or its name.")
	}
	near := toolset.Near(base, all, 5)
	if len(near) == 0 {
		return fault("invalid_name: " + unknownEmoji + ".")
	}
	var shown view.Flags
	for i := range near {
		near[i] = shown.Name(near[i])
	}
	return faultf("invalid_name: There is no emoji of that name. Like it are: %s.", strings.Join(near, ", "))
}

type getReactionsIn struct {
	messageRef
}

type messageOut struct {
	view.Mark
	OK      bool         `json:"ok"`
	Channel string       `json:"channel"`
	Message view.Message `json:"message"`
	view.Legend
	readBy
}

func (k *kit) getReactions(ctx context.Context, c *toolset.Call, in getReactionsIn) (messageOut, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return messageOut{}, err
	}
	var m slackapi.Message
	by := k.reader(c)
	for by.next(err) {
		m, err = by.api.Reactions(ctx, channel, ts)
	}
	if err != nil {
		return messageOut{}, err
	}
	out := messageOut{OK: true, Channel: channel, readBy: by.readBy}
	err = k.Judge.Read(ctx, func(r *view.Reading) error {
		out.Message = r.Message(&m, k.messageOptions(ctx, channel, detailed))
		out.Legend = r.Legend()
		return nil
	})
	return out, err
}

type emojisIn struct {
	Limit  int    `json:"limit,omitempty" min:"1" max:"2000" default:"500" doc:"Most emoji"`
	Cursor string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type emojisOut struct {
	view.Mark
	OK         bool              `json:"ok"`
	Emoji      map[string]string `json:"emoji" doc:"name to image, or to alias:name"`
	Total      int               `json:"total"`
	HasMore    bool              `json:"has_more"`
	NextCursor string            `json:"next_cursor,omitempty"`
	Flags      view.Flags        `json:"flags,omitempty"`
}

func (k *kit) readEmojis(ctx context.Context, _ *toolset.Call, in emojisIn) (emojisOut, error) {
	after, err := openCursor(in.Cursor)
	if err != nil {
		return emojisOut{}, err
	}
	all, err := k.Slack.EmojiList(ctx)
	if err != nil {
		return emojisOut{}, err
	}
	list := slices.Sorted(maps.Keys(all))
	out := emojisOut{OK: true, Emoji: map[string]string{}, Total: len(all)}
	budget := view.NewBudget()
	for i, name := range list[firstAfter(list, after):] {
		if i == in.Limit || !budget.Takes(all[name]+name) {
			out.HasMore = true
			break
		}
		out.Emoji[out.Flags.Name(name)] = out.Flags.Name(all[name])
		out.NextCursor = sealCursor(name)
	}
	if !out.HasMore {
		out.NextCursor = ""
	}
	return out, nil
}

type searchEmojisIn struct {
	Query []string `json:"query" split:"," max:"20" doc:"Parts of names, separated by commas; any of them"`
	Limit int      `json:"limit,omitempty" min:"1" max:"200" default:"50" doc:"Most emoji"`
}

func (k *kit) searchEmojis(ctx context.Context, _ *toolset.Call, in searchEmojisIn) (emojisOut, error) {
	all, err := k.Slack.EmojiList(ctx)
	if err != nil {
		return emojisOut{}, err
	}
	out, budget := emojisOut{OK: true, Emoji: map[string]string{}}, view.NewBudget()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.ContainsFunc(in.Query, func(q string) bool { return strings.Contains(name, strings.ToLower(strings.Trim(q, ":"))) }) {
			continue
		}
		if out.Total++; len(out.Emoji) == in.Limit || !budget.Takes(all[name]+name) {
			out.HasMore = true
			continue
		}
		out.Emoji[out.Flags.Name(name)] = out.Flags.Name(all[name])
	}
	return out, nil
}

// firstAfter is where a sorted list goes on behind a cursor, which is one of its items.
func firstAfter(sorted []string, cursor string) int {
	if cursor == "" {
		return 0
	}
	i, found := slices.BinarySearch(sorted, cursor)
	if found {
		i++
	}
	return i
}

const setBookmarks = "bookmarks"

func bookmarkTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_list_bookmarks", Title: "List bookmarks", Set: setBookmarks, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"bookmarks:read"},
			Description: "List the links at the top of a channel: what its members want to be found.",
		}, (*kit).listBookmarks),
		define(ks, toolset.Tool{
			Name: "slack_add_bookmark", Title: "Add a bookmark", Set: setBookmarks,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{"bookmarks:write"},
			Description: "Put a link at the top of a channel, for all members.",
		}, (*kit).addBookmark),
		define(ks, toolset.Tool{
			Name: "slack_remove_bookmark", Title: "Remove a bookmark", Set: setBookmarks,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{"bookmarks:write"},
			Description: "Take a link away from the top of a channel, for all members. Ids come from slack_list_bookmarks.",
		}, (*kit).removeBookmark),
	}
}

type bookmarksOut struct {
	view.Mark
	Channel   string          `json:"channel"`
	Bookmarks []view.Bookmark `json:"bookmarks"`
	paging
	readBy
}

// pagedChannelIn names a channel whose list goes on.
type pagedChannelIn struct {
	channelIn
	Cursor string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

func (k *kit) listBookmarks(ctx context.Context, c *toolset.Call, in pagedChannelIn) (bookmarksOut, error) {
	at, err := spotOf(in.Cursor)
	if err != nil {
		return bookmarksOut{}, err
	}
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return bookmarksOut{}, err
	}
	var list []slackapi.Bookmark
	by := k.reader(c)
	for by.next(err) {
		list, err = by.api.Bookmarks(ctx, channel)
	}
	if err != nil {
		return bookmarksOut{}, err
	}
	out := bookmarksOut{Channel: channel, readBy: by.readBy}
	shown, cut := fit(view.NewBudget(), behind(at, list), k.Judge.Reading(ctx).Bookmark)
	out.Bookmarks = shown
	out.page(at.next(len(shown), cut, ""), cut)
	return out, nil
}

type addBookmarkIn struct {
	channelIn
	Title string `json:"title" max:"255" doc:"What is shown"`
	Link  string `json:"link" alias:"url" max:"3000" doc:"Where it leads: an https address"`
	Emoji string `json:"emoji,omitempty" max:"100" doc:"Emoji before the title"`
	safety
}

type bookmarkOut struct {
	view.Mark
	OK       bool           `json:"ok"`
	Bookmark *view.Bookmark `json:"bookmark,omitempty"`
	carried
}

func (k *kit) addBookmark(ctx context.Context, c *toolset.Call, in addBookmarkIn) (bookmarkOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return bookmarkOut{}, err
	}
	if u, err := url.Parse(in.Link); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return bookmarkOut{}, &toolset.ArgumentError{Argument: "link", Problem: "must be an http or https address"}
	}
	if err := k.Guard.Links(nil, in.Link); err != nil { // Slack fetches the page's icon
		return bookmarkOut{}, err
	}
	if in.Emoji != "" {
		in.Emoji = ":" + emojiName(in.Emoji) + ":"
	}
	var calmed bool
	in.Title, calmed = k.Guard.Text(in.Title)
	b, w, err := begin[slackapi.Bookmark](ctx, k, c, guard.Write{Channel: channel, Arguments: in}, in.safety)
	if calmed {
		w.Note = noteMentions
	}
	if w.due {
		b, err = w.slack.AddBookmark(ctx, channel, in.Title, in.Link, in.Emoji)
		w.wrote(ctx, k, "", b.ID, err)
		w.end(ctx, b, b.ID, err)
	}
	if err != nil {
		return bookmarkOut{}, err
	}
	out := bookmarkOut{OK: true, carried: w.carried}
	if !w.DryRun {
		out.Bookmark = new(k.Judge.Reading(ctx).Bookmark(&b))
	}
	return out, nil
}

type removeBookmarkIn struct {
	channelIn
	ID string `json:"bookmark_id" alias:"id" doc:"Id of the bookmark"`
	safety
}

func (k *kit) removeBookmark(ctx context.Context, c *toolset.Call, in removeBookmarkIn) (bookmarkOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return bookmarkOut{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, in.ID}}, in.safety)
	if w.due {
		err = w.slack.RemoveBookmark(ctx, channel, in.ID)
		w.end(ctx, nothing{}, in.ID, err)
	}
	return bookmarkOut{OK: err == nil, carried: w.carried}, err
}
