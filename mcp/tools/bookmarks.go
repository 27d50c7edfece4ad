package tools

import (
	"context"
	"net/url"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const setBookmarks = "bookmarks"

func bookmarkTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_list_bookmarks", Title: "List bookmarks", Set: setBookmarks, Scope: access.Read, Needs: []string{"bookmarks:read"},
			Description: "List the links at the top of a channel: what its members want to be found.",
		}, k.listBookmarks),
		toolset.Define(toolset.Tool{
			Name: "slack_add_bookmark", Title: "Add a bookmark", Set: setBookmarks,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{"bookmarks:write"},
			Description: "Put a link at the top of a channel, for all members.",
		}, k.addBookmark),
		toolset.Define(toolset.Tool{
			Name: "slack_remove_bookmark", Title: "Remove a bookmark", Set: setBookmarks,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{"bookmarks:write"},
			Description: "Take a link away from the top of a channel, for all members. Ids come from slack_list_bookmarks.",
		}, k.removeBookmark),
	}
}

type bookmark struct {
	Untrusted bool       `json:"untrusted"`
	ID        string     `json:"id"`
	Title     string     `json:"title"`
	Link      string     `json:"link"`
	Emoji     string     `json:"emoji,omitempty"`
	Created   string     `json:"created,omitempty"`
	Flags     view.Flags `json:"flags,omitempty"`
}

func showBookmark(b *slackapi.Bookmark) bookmark {
	v := bookmark{Untrusted: true, ID: b.ID, Created: view.Unix(b.Created)}
	v.Title, v.Link, v.Emoji = v.Flags.Name(b.Title), v.Flags.Text(b.Link, passage), v.Flags.Name(b.Emoji)
	return v
}

type bookmarksOut struct {
	Channel   string     `json:"channel"`
	Bookmarks []bookmark `json:"bookmarks"`
}

func (k *kit) listBookmarks(ctx context.Context, _ *toolset.Call, in channelIn) (bookmarksOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return bookmarksOut{}, err
	}
	list, err := k.Slack.Bookmarks(ctx, channel)
	if err != nil {
		return bookmarksOut{}, err
	}
	out := bookmarksOut{Channel: channel, Bookmarks: []bookmark{}}
	for i := range list {
		out.Bookmarks = append(out.Bookmarks, showBookmark(&list[i]))
	}
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
	OK       bool      `json:"ok"`
	Bookmark *bookmark `json:"bookmark,omitempty"`
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
	b, w, err := begin[slackapi.Bookmark](ctx, k, c, guard.Write{Channel: channel, Arguments: in}, in.safety)
	if w.due {
		b, err = w.slack.AddBookmark(ctx, channel, in.Title, in.Link, in.Emoji)
		w.end(ctx, b, b.ID, err)
	}
	if err != nil {
		return bookmarkOut{}, err
	}
	out := bookmarkOut{OK: true, carried: w.carried}
	if !w.DryRun {
		out.Bookmark = new(showBookmark(&b))
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
