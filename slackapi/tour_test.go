package slackapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// tour calls every method of the client once with success, each in the way in which a
// tool would, and looks at what comes back.
func tour(t *testing.T, seen *calls) {
	sb, c := workspace(t, sandbox.Options{}, slackapi.Options{OnCall: seen.add})
	for _, leg := range []func(*testing.T, *sandbox.Sandbox, *slackapi.Client){
		tourMessages, tourScheduled, tourReading, tourChannels, tourPeople, tourFiles, tourShelves, tourSearch, tourCanvases, tourResponses,
	} {
		leg(t, sb, c)
	}
	tourSignIn(t, seen)
	tourTeams(t, seen)
}

func tourMessages(t *testing.T, sb *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	who := must(c.AuthTest(ctx))(t)
	if who.UserID != sandbox.BotUser || who.BotID != sandbox.BotID || who.TeamID != sandbox.Team || !who.Has("chat:write") || who.Has("admin") {
		t.Errorf("identity %+v", who)
	}
	p := must(c.PostMessage(ctx, slackapi.Post{Channel: sandbox.General, Text: "a < b & c"}))(t)
	if p.Channel != sandbox.General || p.Message.Text != "a &lt; b &amp; c" || p.Message.BotID != sandbox.BotID || p.Message.Channel != p.Channel {
		t.Errorf("posted %+v", p)
	}
	u := must(c.UpdateMessage(ctx, slackapi.Update{Channel: p.Channel, TS: p.TS, Text: "changed"}))(t)
	if u.TS != p.TS || u.Message.Text != "changed" || u.Message.Edited == nil {
		t.Errorf("updated %+v", u)
	}
	link := must(c.Permalink(ctx, p.Channel, p.TS))(t)
	if want := "/archives/" + sandbox.General + "/p" + strings.Replace(p.TS, ".", "", 1); !strings.HasSuffix(link, want) {
		t.Errorf("permalink %s, want …%s", link, want)
	}
	succeed(t, c.AddReaction(ctx, p.Channel, p.TS, ":tada:"))
	m := must(c.Reactions(ctx, p.Channel, p.TS))(t)
	if diff := cmp.Diff([]slackapi.Reaction{{Name: "tada", Users: []string{sandbox.BotUser}, Count: 1}}, m.Reactions); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
	succeed(t, c.RemoveReaction(ctx, p.Channel, p.TS, "tada"))
	succeed(t, c.DeleteMessage(ctx, p.Channel, p.TS))
	ts := must(c.PostEphemeral(ctx, sandbox.Bob, slackapi.Post{Channel: sandbox.General, Text: "psst"}))(t)
	if e := sb.Ephemerals(); len(e) != 1 || e[0].TS != ts || e[0].User != sandbox.Bob {
		t.Errorf("ephemerals %+v", e)
	}
	dm := must(c.PostMessage(ctx, slackapi.Post{Channel: sandbox.Bob, Markdown: "**hi**"}))(t)
	if !strings.HasPrefix(dm.Channel, "D") {
		t.Errorf("a post to a person went to %s", dm.Channel)
	}
}

func tourScheduled(t *testing.T, _ *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	at := time.Now().Add(time.Hour)
	s := must(c.ScheduleMessage(ctx, slackapi.Post{Channel: sandbox.General, Text: "later"}, at))(t)
	if s.ID == "" || s.PostAt != at.Unix() || s.Channel != sandbox.General {
		t.Errorf("scheduled %+v", s)
	}
	list := must(c.ScheduledList(ctx, sandbox.General, "", 10))(t)
	if len(list.Messages) != 1 || list.Messages[0].ID != s.ID || list.Messages[0].Text != "later" {
		t.Errorf("list %+v", list)
	}
	succeed(t, c.DeleteScheduled(ctx, sandbox.General, s.ID))
	if list = must(c.ScheduledList(ctx, "", "", 0))(t); len(list.Messages) != 0 {
		t.Errorf("list after deletion %+v", list)
	}
}

func tourReading(t *testing.T, sb *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	root := must(c.PostMessage(ctx, slackapi.Post{Channel: sandbox.Random, Text: "root"}))(t)
	for _, text := range []string{"one", "two", "three"} {
		must(sb.PostAs("bob", "#random", text, sandbox.Saying{ThreadTS: root.TS}))(t)
	}
	h := must(c.History(ctx, slackapi.HistoryQuery{Channel: sandbox.Random, Limit: 1}))(t)
	if len(h.Messages) != 1 || h.Messages[0].ReplyCount != 3 || !h.HasMore || h.NextCursor == "" || h.Messages[0].Channel != sandbox.Random {
		t.Fatalf("history %+v", h)
	}
	older := must(c.History(ctx, slackapi.HistoryQuery{Channel: sandbox.Random, Limit: 1, Cursor: h.NextCursor}))(t)
	if len(older.Messages) != 1 || older.Messages[0].TS >= root.TS {
		t.Errorf("second page %+v", older)
	}
	r := must(c.Replies(ctx, slackapi.RepliesQuery{Channel: sandbox.Random, ThreadTS: root.TS, Limit: 2}))(t)
	if diff := cmp.Diff([]string{"root", "one", "two"}, texts(r.Messages)); diff != "" || !r.HasMore {
		t.Errorf("replies (-want +got):\n%s, more %t", diff, r.HasMore)
	}
	r = must(c.Replies(ctx, slackapi.RepliesQuery{Channel: sandbox.Random, ThreadTS: root.TS, Limit: 2, Cursor: r.NextCursor}))(t)
	if diff := cmp.Diff([]string{"root", "three"}, texts(r.Messages)); diff != "" || r.HasMore {
		t.Errorf("replies (-want +got):\n%s, more %t", diff, r.HasMore)
	}
	if e := must(c.EmojiList(ctx))(t); e["lamp"] != "alias:lantern" {
		t.Errorf("emoji %v", e)
	}
}

func tourChannels(t *testing.T, _ *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	made := must(c.CreateChannel(ctx, "project-lamp", false))(t)
	if made.Name != "project-lamp" || !made.IsMember || made.IsPrivate {
		t.Errorf("created %+v", made)
	}
	if got := must(c.Invite(ctx, made.ID, sandbox.Bob, sandbox.Carla))(t); got.ID != made.ID {
		t.Errorf("invited to %+v", got)
	}
	succeed(t, c.Kick(ctx, made.ID, sandbox.Carla))
	if m := must(c.Members(ctx, made.ID, "", 0))(t); !slices.Equal(m.Members, []string{sandbox.BotUser, sandbox.Bob}) {
		t.Errorf("members %v", m.Members)
	}
	if got := must(c.SetTopic(ctx, made.ID, "light"))(t); got.Topic.Value != "light" || got.Topic.Creator != sandbox.BotUser {
		t.Errorf("topic %+v", got.Topic)
	}
	if got := must(c.SetPurpose(ctx, made.ID, "more light"))(t); got.Purpose.Value != "more light" {
		t.Errorf("purpose %+v", got.Purpose)
	}
	if got := must(c.RenameChannel(ctx, made.ID, "project-lantern"))(t); got.Name != "project-lantern" || !slices.Equal(got.PreviousNames, []string{"project-lamp"}) {
		t.Errorf("renamed %+v", got)
	}
	succeed(t, c.ArchiveChannel(ctx, made.ID))
	if got := must(c.ConversationInfo(ctx, made.ID))(t); !got.IsArchived || got.NumMembers != 2 {
		t.Errorf("info %+v", got)
	}
	succeed(t, c.UnarchiveChannel(ctx, made.ID))
	if got := must(c.JoinChannel(ctx, sandbox.Design))(t); !got.IsMember {
		t.Errorf("joined %+v", got)
	}
	must(c.JoinChannel(ctx, sandbox.Design))(t)
	succeed(t, c.LeaveChannel(ctx, sandbox.Design))
	succeed(t, c.LeaveChannel(ctx, sandbox.Design))
	list := must(c.ConversationList(ctx, slackapi.ListQuery{Types: []string{"public_channel", "im"}, ExcludeArchived: true, Limit: 4}))(t)
	if len(list.Channels) != 4 || list.NextCursor == "" {
		t.Errorf("list %+v", list)
	}
	mine := must(c.UserConversations(ctx, "", slackapi.ListQuery{Types: []string{"private_channel"}}))(t)
	if len(mine.Channels) != 1 || mine.Channels[0].ID != sandbox.Leads || !mine.Channels[0].IsPrivate {
		t.Errorf("conversations of the bot %+v", mine)
	}
	dm := must(c.OpenDM(ctx, sandbox.Alice))(t)
	if dm.ID != sandbox.AliceDM || !dm.IsIM || dm.User != sandbox.Alice {
		t.Errorf("direct message %+v", dm)
	}
	if many := must(c.OpenDM(ctx, sandbox.Alice, sandbox.Emi))(t); !many.IsMPIM {
		t.Errorf("group message %+v", many)
	}
	succeed(t, c.AsUser().MarkRead(ctx, sandbox.AliceDM, "1.000000"))
	if seen := must(c.AsUser().ConversationInfo(ctx, sandbox.AliceDM))(t); seen.UnreadCount != 1 || seen.LastRead != "1.000000" || seen.Latest == nil {
		t.Errorf("what Alice has not read: %+v", seen)
	}
}

func tourPeople(t *testing.T, _ *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	alice := must(c.UserInfo(ctx, sandbox.Alice))(t)
	if alice.Name != "alice" || alice.Profile.RealName != "Alice Nguyen" || !alice.IsOwner || alice.Locale != "en-US" {
		t.Errorf("user %+v", alice)
	}
	byMail := must(c.UserByEmail(ctx, strings.ToUpper(alice.Profile.Email)))(t)
	if byMail.ID != sandbox.Alice {
		t.Errorf("by e-mail %+v", byMail)
	}
	page := must(c.UserList(ctx, "", 5))(t)
	if len(page.Users) != 5 || page.NextCursor == "" {
		t.Errorf("users %+v", page)
	}
	if p := must(c.UserProfile(ctx, sandbox.Farid))(t); p.StatusText != "On call" {
		t.Errorf("profile %+v", p)
	}
	if p := must(c.Presence(ctx, sandbox.Emi))(t); p != "away" {
		t.Errorf("presence %q", p)
	}
	groups := must(c.UserGroups(ctx, true, false))(t)
	if len(groups) != 2 || groups[0].Handle != "oncall" || groups[0].UserCount != 2 || len(groups[0].Users) != 2 {
		t.Errorf("groups %+v", groups)
	}
	if ids := must(c.UserGroupMembers(ctx, groups[0].ID))(t); !slices.Equal(ids, []string{sandbox.Farid, sandbox.Bob}) {
		t.Errorf("members %v", ids)
	}
}

func tourFiles(t *testing.T, _ *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	f := must(c.Upload(ctx, slackapi.Upload{Name: "notes.txt", Title: "Notes", Data: []byte("light\n"), Channel: sandbox.General, Comment: "here"}))(t)
	if f.Title != "Notes" || f.Size != 6 || f.Shares.In(sandbox.General) != "" {
		t.Errorf("uploaded %+v", f)
	}
	must(c.FileInfo(ctx, f.ID))(t)
	info := must(c.FileInfo(ctx, f.ID))(t) // now it is posted
	if info.ID != f.ID || info.MimeType != "text/plain" || !slices.Equal(info.Channels, []string{sandbox.General}) || info.Shares.In(sandbox.General) == "" {
		t.Errorf("info %+v", info)
	}
	got := must(c.Download(ctx, info.URLPrivate, 1<<10))(t)
	if string(got.Data) != "light\n" || got.MediaType != "text/plain" {
		t.Errorf("downloaded %q as %s", got.Data, got.MediaType)
	}
	list := must(c.FileList(ctx, slackapi.FileQuery{Channel: sandbox.General}))(t)
	if len(list.Files) != 1 || list.Total != 1 || list.Files[0].ID != f.ID {
		t.Errorf("list %+v", list)
	}
	h := must(c.History(ctx, slackapi.HistoryQuery{Channel: sandbox.General, Limit: 1}))(t)
	if m := h.Messages[0]; m.Subtype != "file_share" || m.Text != "here" || len(m.Files) != 1 || m.Files[0].ID != f.ID {
		t.Errorf("message of the upload %+v", m)
	}
}

func tourShelves(t *testing.T, _ *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	p := must(c.PostMessage(ctx, slackapi.Post{Channel: sandbox.General, Text: "hold this"}))(t)
	succeed(t, c.AddPin(ctx, p.Channel, p.TS))
	if pins := must(c.Pins(ctx, p.Channel))(t); len(pins) != 1 || pins[0].Message.TS != p.TS || pins[0].CreatedBy != sandbox.BotUser {
		t.Errorf("pins %+v", pins)
	}
	succeed(t, c.RemovePin(ctx, p.Channel, p.TS))
	b := must(c.AddBookmark(ctx, p.Channel, "Docs", "https://docs.example/", ":books:"))(t)
	if b = must(c.EditBookmark(ctx, p.Channel, b.ID, "Manual", "", ""))(t); b.Title != "Manual" || b.Link != "https://docs.example/" {
		t.Errorf("bookmark %+v", b)
	}
	if all := must(c.Bookmarks(ctx, p.Channel))(t); len(all) != 1 || all[0].ID != b.ID {
		t.Errorf("bookmarks %+v", all)
	}
	succeed(t, c.RemoveBookmark(ctx, p.Channel, b.ID))
}

func tourSearch(t *testing.T, sb *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	found := must(c.SearchMessages(ctx, slackapi.SearchQuery{Query: `release in:#engineering from:@bob`, ByTime: true, Count: 5}))(t)
	if found.Total != 1 || len(found.Matches) != 1 || found.Matches[0].User != sandbox.Bob || found.Matches[0].Channel.Name != "engineering" {
		t.Errorf("found %+v", found)
	}
	token := actionToken(t, sb)
	near := must(c.SearchContext(ctx, slackapi.ContextQuery{Query: "checkout slow", ActionToken: token, Around: true}))(t)
	if len(near.Messages) != 1 || near.Messages[0].ChannelName != "incidents" || near.Messages[0].AuthorName != "Farid Haddad" || near.Messages[0].Context == nil {
		t.Errorf("found %+v", near)
	}
}

func tourCanvases(t *testing.T, _ *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	id := must(c.CreateCanvas(ctx, "Plan", "# Lamps\n\nfirst", ""))(t)
	sections := must(c.CanvasSections(ctx, id, ""))(t)
	if len(sections) != 1 {
		t.Fatalf("headings %v", sections)
	}
	succeed(t, c.EditCanvas(ctx, id, slackapi.CanvasChange{Operation: "insert_after", Section: sections[0], Markdown: "zeroth"}))
	succeed(t, c.EditCanvas(ctx, id, slackapi.CanvasChange{Operation: "rename", Markdown: "The plan"}))
	if got := must(c.CanvasContent(ctx, id))(t); got != "# Lamps\n\nzeroth\n\nfirst" {
		t.Errorf("content %q", got)
	}
	if f := must(c.FileInfo(ctx, id))(t); f.Title != "The plan" || f.FileType != "quip" {
		t.Errorf("canvas as a file %+v", f)
	}
	own := must(c.CreateChannelCanvas(ctx, sandbox.General, "Welcome", "hello"))(t)
	if ch := must(c.ConversationInfo(ctx, sandbox.General))(t); ch.Canvas == nil || ch.Canvas.FileID != own {
		t.Errorf("channel with canvas %+v", ch)
	}
}

func tourResponses(t *testing.T, sb *sandbox.Sandbox, c *slackapi.Client) {
	ctx := t.Context()
	app := listen(t, sb)
	answer := must(sb.Slash(ctx, "carla", "#support", "/wick", "help"))(t)
	if app.got() != 1 || answer.ResponseURL == "" {
		t.Fatalf("the command came %d times, response URL %q", app.got(), answer.ResponseURL)
	}
	succeed(t, c.Respond(ctx, answer.ResponseURL, slackapi.Response{Text: "here I am", InChannel: true}))
	h := must(c.History(ctx, slackapi.HistoryQuery{Channel: sandbox.Support, Limit: 1}))(t)
	if h.Messages[0].Text != "here I am" || h.Messages[0].BotID != sandbox.BotID {
		t.Errorf("response %+v", h.Messages[0])
	}
}

// An app is a receiver that says yes to everything.
type app struct {
	bodies chan []byte
}

func (a *app) got() int { return len(a.bodies) }

// listen gives the workspace's app an address for its events.
func listen(t *testing.T, sb *sandbox.Sandbox) *app {
	t.Helper()
	a := &app{bodies: make(chan []byte, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := readAll(r)
		if challenge := between(body, `"challenge":"`, `"`); challenge != "" {
			_, _ = w.Write([]byte(challenge))
			return
		}
		a.bodies <- []byte(body)
	}))
	t.Cleanup(server.Close)
	succeed(t, sb.SetRequestURL(t.Context(), server.URL))
	return a
}

// actionToken lets a user mention the app, and takes the token out of the event.
func actionToken(t *testing.T, sb *sandbox.Sandbox) string {
	t.Helper()
	a := listen(t, sb)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sb.Run(ctx) }()
	must(sb.PostAs("bob", "#random", "<@"+sandbox.BotUser+"> what is slow?", sandbox.Saying{}))(t)
	settle, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	succeed(t, sb.Settle(settle))
	stop()
	succeed(t, <-done)
	close(a.bodies)
	for body := range a.bodies {
		if token := between(string(body), `"action_token":"`, `"`); token != "" {
			return token
		}
	}
	t.Fatal("no event carried an action_token")
	return ""
}

func between(s, before, after string) string {
	_, rest, ok := strings.Cut(s, before)
	if !ok {
		return ""
	}
	part, _, _ := strings.Cut(rest, after)
	return part
}

func readAll(r *http.Request) string {
	var b strings.Builder
	_, _ = io.Copy(&b, r.Body)
	return b.String()
}
