package sandbox_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"slackmcp/slackapi/sandbox"
)

// serve puts a sandbox behind a server and returns slack-go's own clients of it, the
// bot's and the user's.
func serve(t testing.TB, opt sandbox.Options) (sb *sandbox.Sandbox, bot, user *slack.Client) {
	t.Helper()
	sb, err := sandbox.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	if err := sb.SetBaseURL(server.URL); err != nil {
		t.Fatal(err)
	}
	return sb, slack.New(sandbox.DefaultBotToken, slack.OptionAPIURL(sb.APIURL())), slack.New(sandbox.DefaultUserToken, slack.OptionAPIURL(sb.APIURL()))
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }

// TestSlackGoWorksUnchanged uses slack-go's own client, with its own types, as any
// program would.
func TestSlackGoWorksUnchanged(t *testing.T) {
	t.Parallel()

	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		_, bot, _ := serve(t, sandbox.Options{})
		who, err := bot.AuthTestContext(t.Context())
		ok(t, err)
		if who.UserID != sandbox.BotUser || who.BotID != sandbox.BotID || who.Header.Get("X-Oauth-Scopes") == "" {
			t.Errorf("auth.test %+v", who)
		}
		channel, ts, posted, err := bot.PostMessageWithResponseContext(t.Context(), "#general", slack.MsgOptionText("hello <@"+sandbox.Alice+"> :wave:", false))
		ok(t, err)
		if channel != sandbox.General || len(posted.Blocks.BlockSet) != 1 || posted.BotProfile == nil || posted.BotProfile.AppID != sandbox.AppID {
			t.Errorf("posted to %s: %+v", channel, posted)
		}
		_, _, _, err = bot.UpdateMessageContext(t.Context(), channel, ts, slack.MsgOptionText("changed", false))
		ok(t, err)
		ok(t, bot.AddReactionContext(t.Context(), "eyes", slack.NewRefToMessage(channel, ts)))
		item, err := bot.GetReactionsContext(t.Context(), slack.NewRefToMessage(channel, ts), slack.NewGetReactionsParameters())
		ok(t, err)
		if len(item.Reactions) != 1 || item.Reactions[0].Name != "eyes" || item.Reactions[0].Count != 1 {
			t.Errorf("reactions %+v", item)
		}
		_, reply, err := bot.PostMessageContext(t.Context(), channel, slack.MsgOptionText("reply", false), slack.MsgOptionTS(ts))
		ok(t, err)
		thread, more, _, err := bot.GetConversationRepliesContext(t.Context(), &slack.GetConversationRepliesParameters{ChannelID: channel, Timestamp: ts})
		ok(t, err)
		if len(thread) != 2 || more || thread[0].ReplyCount != 1 || thread[1].Timestamp != reply || thread[1].ParentUserId != sandbox.BotUser {
			t.Errorf("thread %+v", thread)
		}
		h, err := bot.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: channel, Limit: 2})
		ok(t, err)
		if len(h.Messages) != 2 || h.Messages[0].Text != "changed" || h.Messages[0].Edited == nil || !h.HasMore {
			t.Errorf("history %+v", h)
		}
		_, _, err = bot.DeleteMessageContext(t.Context(), channel, reply)
		ok(t, err)
		link, err := bot.GetPermalinkContext(t.Context(), &slack.PermalinkParameters{Channel: channel, Ts: ts})
		ok(t, err)
		if !strings.HasPrefix(link, "https://lantern-works.slack.com/archives/C0GENERAL01/p") {
			t.Errorf("permalink %s", link)
		}
		_, id, err := bot.ScheduleMessageContext(t.Context(), channel, itoa(time.Now().Add(time.Hour).Unix()), slack.MsgOptionText("later", false))
		ok(t, err)
		list, _, err := bot.GetScheduledMessagesContext(t.Context(), &slack.GetScheduledMessagesParameters{})
		ok(t, err)
		if len(list) != 1 || list[0].ID != id || list[0].Text != "later" {
			t.Errorf("scheduled %+v", list)
		}
		_, err = bot.DeleteScheduledMessageContext(t.Context(), &slack.DeleteScheduledMessageParameters{Channel: channel, ScheduledMessageID: id})
		ok(t, err)
	})

	t.Run("channels", func(t *testing.T) {
		t.Parallel()
		_, bot, _ := serve(t, sandbox.Options{})
		all, err := bot.GetAllConversationsContext(t.Context(), slack.GetConversationsOptionLimit(3),
			slack.GetConversationsOptionTypes([]string{"public_channel", "private_channel", "im", "mpim"}))
		ok(t, err)
		var names []string
		for _, c := range all {
			names = append(names, c.Name)
		}
		if len(all) != 11 || slices.Contains(names, "salaries") || !slices.Contains(names, "leads") || !slices.Contains(names, "old-project") {
			t.Errorf("conversations %v", names)
		}
		made, err := bot.CreateConversationContext(t.Context(), slack.CreateConversationParams{ChannelName: "new-one", IsPrivate: true})
		ok(t, err)
		_, err = bot.InviteUsersToConversationContext(t.Context(), made.ID, sandbox.Bob)
		ok(t, err)
		_, err = bot.SetTopicOfConversationContext(t.Context(), made.ID, "the topic")
		ok(t, err)
		info, err := bot.GetConversationInfoContext(t.Context(), &slack.GetConversationInfoInput{ChannelID: made.ID, IncludeNumMembers: true})
		ok(t, err)
		if !info.IsPrivate || info.NumMembers != 2 || info.Topic.Value != "the topic" {
			t.Errorf("info %+v", info)
		}
		ok(t, bot.KickUserFromConversationContext(t.Context(), made.ID, sandbox.Bob))
		_, _, warnings, err := bot.JoinConversationContext(t.Context(), sandbox.General)
		ok(t, err)
		if !slices.Equal(warnings, []string{"already_in_channel"}) {
			t.Errorf("warnings %v", warnings)
		}
		dm, _, already, err := bot.OpenConversationContext(t.Context(), &slack.OpenConversationParameters{Users: []string{sandbox.Alice}, ReturnIM: true})
		ok(t, err)
		if dm.ID != sandbox.AliceDM || !already {
			t.Errorf("direct message %+v, already open %t", dm, already)
		}
	})

	t.Run("people", func(t *testing.T) {
		t.Parallel()
		_, bot, _ := serve(t, sandbox.Options{})
		users, err := bot.GetUsersContext(t.Context(), slack.GetUsersOptionLimit(4))
		ok(t, err)
		if len(users) != 13 { // people of other workspaces are in no list
			t.Errorf("%d users, want 13", len(users))
		}
		u, err := bot.GetUserByEmailContext(t.Context(), "alice@lantern-works.example")
		ok(t, err)
		if u.ID != sandbox.Alice || u.Profile.Title != "Head of Operations" {
			t.Errorf("user %+v", u)
		}
		p, err := bot.GetUserPresenceContext(t.Context(), sandbox.Bob)
		ok(t, err)
		groups, err := bot.GetUserGroupsContext(t.Context(), slack.GetUserGroupsOptionIncludeUsers(true))
		ok(t, err)
		if p.Presence != "active" || len(groups) != 2 || len(groups[0].Users) != 2 {
			t.Errorf("presence %+v, groups %+v", p, groups)
		}
	})

	t.Run("files, pins, bookmarks, canvases", func(t *testing.T) {
		t.Parallel()
		_, bot, _ := serve(t, sandbox.Options{})
		f, err := bot.UploadFileContext(t.Context(), slack.UploadFileParameters{
			Content: "hello, file", FileSize: 11, Filename: "hello.txt", Title: "Hello", Channel: sandbox.General, InitialComment: "look",
		})
		ok(t, err)
		info, _, _, err := bot.GetFileInfoContext(t.Context(), f.ID, 0, 0)
		ok(t, err)
		if len(info.Shares.Public) != 0 {
			t.Errorf("an upload is posted before Slack has looked at it: %+v", info)
		}
		info, _, _, err = bot.GetFileInfoContext(t.Context(), f.ID, 0, 0)
		ok(t, err)
		var data bytes.Buffer
		ok(t, bot.GetFileContext(t.Context(), info.URLPrivateDownload, &data))
		if data.String() != "hello, file" || info.Mimetype != "text/plain" || info.Filetype != "text" || len(info.Shares.Public[sandbox.General]) != 1 {
			t.Errorf("file %+v holds %q", info, data.String())
		}
		ts := info.Shares.Public[sandbox.General][0].Ts
		ok(t, bot.AddPinContext(t.Context(), sandbox.General, slack.NewRefToMessage(sandbox.General, ts)))
		pins, _, err := bot.ListPinsContext(t.Context(), sandbox.General)
		ok(t, err)
		if len(pins) != 1 || pins[0].Message.Timestamp != ts {
			t.Errorf("pins %+v", pins)
		}
		b, err := bot.AddBookmarkContext(t.Context(), sandbox.General, slack.AddBookmarkParameters{Title: "Docs", Type: "link", Link: "https://docs.example/"})
		ok(t, err)
		ok(t, bot.RemoveBookmarkContext(t.Context(), sandbox.General, b.ID))
		id, err := bot.CreateCanvasContext(t.Context(), "Plan", slack.DocumentContent{Type: "markdown", Markdown: "# A\n\nb"})
		ok(t, err)
		found, err := bot.LookupCanvasSectionsContext(t.Context(), slack.LookupCanvasSectionsParams{CanvasID: id, Criteria: slack.LookupCanvasSectionsCriteria{ContainsText: "b"}})
		ok(t, err)
		if len(found) != 1 {
			t.Errorf("sections %+v", found)
		}
		ok(t, bot.EditCanvasContext(t.Context(), slack.EditCanvasParams{CanvasID: id, Changes: []slack.CanvasChange{{
			Operation: "replace", SectionID: found[0].ID, DocumentContent: slack.DocumentContent{Type: "markdown", Markdown: "c"},
		}}}))
		text, err := bot.GetCanvasContentContext(t.Context(), id)
		ok(t, err)
		if text != "# A\n\nc" {
			t.Errorf("canvas %q", text)
		}
	})

	t.Run("search", func(t *testing.T) {
		t.Parallel()
		_, bot, user := serve(t, sandbox.Options{})
		found, err := user.SearchMessagesContext(t.Context(), "release", slack.NewSearchParameters())
		ok(t, err)
		if found.Total != 1 || found.Matches[0].Permalink == "" { // the other is in a group message without her
			t.Errorf("found %+v", found)
		}
		if _, err := bot.SearchMessagesContext(t.Context(), "release", slack.NewSearchParameters()); err == nil || err.Error() != "not_allowed_token_type" {
			t.Errorf("a bot's search: %v", err)
		}
	})

	t.Run("errors and limits come as slack-go knows them", func(t *testing.T) {
		t.Parallel()
		sb, bot, _ := serve(t, sandbox.Options{BotScopes: []string{"channels:read"}})
		_, _, err := bot.PostMessageContext(t.Context(), sandbox.General, slack.MsgOptionText("x", false))
		e, is := errors.AsType[slack.SlackErrorResponse](err)
		if !is || e.Err != "missing_scope" || e.Needed != "chat:write" || e.Provided != "channels:read" {
			t.Errorf("error %#v", err)
		}
		ok(t, sb.Inject(sandbox.Fault{RetryAfter: 3}))
		_, err = bot.AuthTestContext(t.Context())
		if limited, is := errors.AsType[*slack.RateLimitedError](err); !is || limited.RetryAfter != 3*time.Second {
			t.Errorf("error %#v", err)
		}
	})
}
