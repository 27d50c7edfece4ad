package sandbox

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"slackmcp/internal/page"
)

//go:embed pages
var pageFiles embed.FS

// workspaceSite is the site of every workspace of this process.
var workspaceSite = sync.OnceValues(func() (*page.Site, error) {
	files, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return page.New(page.Options{
		Name: "Sandbox: a Slack workspace on this machine", Cookie: "sandbox-workspace", Local: true, Templates: files, Files: files,
		Styles: []string{"workspace.css"},
		Funcs:  template.FuncMap{"list": func(all ...any) []any { return all }},
	})
})

// pages adds the workspace as people look at it and act in it. It answers browsers of this machine only: whoever sees it may
// be anybody.
func (s *Sandbox) pages(mux *http.ServeMux) {
	site, err := workspaceSite()
	if err != nil {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		})
		return
	}
	v := &workspacePages{Sandbox: s, site: site}
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", v.show)
	own.Handle("GET /live", &s.watch.live)
	own.HandleFunc("GET /part/{name}", v.part)
	own.HandleFunc("GET /shared/{file}", v.shared)
	own.HandleFunc("POST /act/say", v.say)
	own.HandleFunc("POST /act/upload", v.upload)
	own.HandleFunc("POST /act/message", v.onMessage)
	own.HandleFunc("POST /act/conversation", v.onConversation)
	own.HandleFunc("POST /act/modal", v.onModal)
	own.HandleFunc("POST /act/revoke", v.revoke)
	guarded := site.Guard(own)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("redir") { // from a file that was asked for without a token
			serveSignIn(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
	for _, route := range []string{"GET /assets/", "GET /live", "GET /part/", "GET /shared/", "POST /act/"} {
		mux.Handle(route, guarded)
	}
}

// workspacePages are the pages of one workspace.
type workspacePages struct {
	*Sandbox

	site *page.Site
}

// A workspacePage is all that the page shows.
type workspacePage struct {
	Team, App, RequestURL, MCP string
	Spot                       spot
	Me                         personView
	People                     []personView
	Conversations              []conversationGroup
	Here                       conversationView
	Parts                      map[string]string // their addresses
	Log, Thread                messageList
	Modal                      *modalView
	Sent                       []sentView
	Calls                      []callView
	Grants                     []grantView
	Close                      string // the way out of the thread
	Fresh                      bool   // nobody has done anything here yet
	Socket                     bool
	Chosen                     bool // the person was chosen just now, and that field has the focus
}

// A messageList is a list of messages, and where they stand.
type messageList struct {
	Spot     spot
	Messages []messageView
	Emoji    []optionView
	Writable bool
	Mark     string // tells the ids of a thread's messages from those of the log
	Menu     string // the message whose menu is open, after an act by a page without scripts
}

// assemble makes the page of a spot.
func (v *workspacePages) assemble(at spot) workspacePage {
	sent := v.sent()
	address, socket := v.RequestURL(), v.sockets.enabled()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.due()
	l := v.look(at)
	p := workspacePage{
		Team: v.team.name, App: v.app.name, RequestURL: address, MCP: v.assistants, Spot: l.spot, Me: l.person(l.me), People: l.people(),
		Conversations: l.conversations(), Here: l.current(), Parts: map[string]string{}, Modal: l.modal(), Sent: sent, Calls: l.calls(), Grants: l.grants(),
		Close: l.at(l.spot.In), Socket: socket,
	}
	if l.here == nil && l.with != nil {
		p.Spot.In = l.with.ID
	}
	p.Log = messageList{Spot: p.Spot, Messages: l.messages(), Emoji: offeredEmoji, Writable: p.Here.Writable}
	p.Thread = messageList{Mark: "t", Spot: p.Spot, Messages: l.thread(), Emoji: offeredEmoji, Writable: p.Here.Writable}
	for _, name := range []string{"conversations", "log", "thread", "sent", "calls", "modal"} {
		p.Parts[name] = p.Spot.path("/part/" + name)
	}
	p.Fresh = len(sent) == 0
	return p
}

// offeredEmoji are the reactions that a page offers.
var offeredEmoji = []optionView{
	{Label: "👍", Value: "+1"},
	{Label: "✅", Value: "white_check_mark"},
	{Label: "👀", Value: "eyes"},
	{Label: "🎉", Value: "tada"},
	{Label: "❤️", Value: "heart"},
	{Label: "😂", Value: "joy"},
	{Label: "🙏", Value: "pray"},
	{Label: "🔥", Value: "fire"},
}

func (v *workspacePages) show(w http.ResponseWriter, r *http.Request) {
	p := v.assemble(spotOf(r.URL.Query()))
	p.Chosen = r.URL.Query().Has("chosen")
	p.Log.Menu = r.URL.Query().Get(menuField)
	p.Thread.Menu = p.Log.Menu
	v.site.Page(w, r, http.StatusOK, p.Here.Sign+p.Here.Name+" · "+p.Team, "workspace", p)
}

// part answers with what of the page has changed.
func (v *workspacePages) part(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	p := v.assemble(spotOf(r.URL.Query()))
	if _, ok := p.Parts[name]; !ok {
		v.site.Refuse(w, r, http.StatusNotFound, "There is no such part of the page.", "Load the page again.")
		return
	}
	v.site.Part(w, r, name, p)
}

// shared hands out a file of the workspace: an image to be shown, anything else to be kept.
func (v *workspacePages) shared(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	f := v.files[r.PathValue("file")]
	if f == nil || f.deleted || len(f.data) == 0 {
		v.mu.Unlock()
		v.site.Refuse(w, r, http.StatusNotFound, "The file is not there.", "It was deleted, or it has a size only.")
		return
	}
	data, media, name := f.data, f.mediaType, f.name
	v.mu.Unlock()
	h := w.Header()
	if shownImages[media] {
		h.Set("Content-Type", media)
	} else {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="`+strings.Map(plainName, name)+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// plainName leaves of a file's name what needs no quoting.
func plainName(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_. ", r) {
		return r
	}
	return '_'
}

// say lets the person say something, or use a slash command.
func (v *workspacePages) say(w http.ResponseWriter, r *http.Request) {
	at, text := spotOf(r.PostForm), strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n")
	command, rest, _ := strings.Cut(text, " ")
	var err error
	switch {
	case strings.TrimSpace(text) == "":
		v.site.Refuse(w, r, http.StatusBadRequest, "The message is empty.", "Write something first.")
		return
	case len(command) > 1 && command[0] == '/' && !strings.ContainsAny(command, "\n"):
		err = v.command(r, at, command, rest)
	default:
		_, err = v.PostAs(at.As, at.In, text, Saying{ThreadTS: at.Thread})
	}
	v.done(w, r, at, err)
}

// command uses a slash command. What the app answers at once is shown as Slack shows it: to the person alone, or to all.
func (v *workspacePages) command(r *http.Request, at spot, command, text string) error {
	a, err := v.Slash(r.Context(), at.As, at.In, command, text)
	if err := refused(a, err); err != nil {
		return err
	}
	var said struct {
		Text   string
		Type   string `json:"response_type"`
		Blocks json.RawMessage
	}
	if json.Unmarshal(a.Body, &said) != nil {
		said.Text = string(a.Body)
	}
	if said.Text == "" {
		return nil
	}
	if said.Type == "in_channel" {
		_, err := v.PostAs(v.botUser(), at.In, said.Text, Saying{Blocks: said.Blocks})
		return err
	}
	return v.act(at.As, at.In, func(who actor, ch *channelRef) error {
		v.whisper(Ephemeral{Channel: ch.id, User: who.user.ID, Text: normalise(said.Text), TS: v.newTS()})
		return nil
	})
}

func (v *workspacePages) botUser() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.app.botUser
}

// refused makes an error of an answer that Slack would show as one.
func refused(a Answer, err error) error {
	if err == nil && a.Reason != "" {
		return fmt.Errorf("the server did not take it: %s (status %d)", a.Reason, a.Status)
	}
	return err
}

// onMessage does what a button below or in a message says.
func (v *workspacePages) onMessage(w http.ResponseWriter, r *http.Request) {
	at, ts := spotOf(r.PostForm), r.PostFormValue("ts")
	what, value := pressed(r)
	var err error
	switch what {
	case "click":
		var a Answer
		a, err = v.clickWith(r.Context(), at.As, at.In, ts, value, r.PostForm)
		err = refused(a, err)
	case "suggest":
		err = v.suggest(r, at, ts, value)
	case "react":
		if err = v.ReactAs(at.As, at.In, ts, value); Code(err) == "already_reacted" {
			err = v.UnreactAs(at.As, at.In, ts, value)
		}
	case "edit":
		err = v.EditAs(at.As, at.In, ts, strings.ReplaceAll(r.PostFormValue("edited"), "\r\n", "\n"))
	case "delete":
		err = v.DeleteAs(at.As, at.In, ts)
	default:
		err = errUnknownAct
	}
	back := at.path("/")
	if what == "react" || what == "edit" {
		back = at.path("/", menuField, ts)
	}
	v.doneTo(w, r, back+"#m"+url.PathEscape(ts), err)
}

// menuField names the message whose menu is open.
const menuField = "menu"

var errUnknownAct = errors.New("no button of the page does this")

// pressed is the button of a form that was pressed.
func pressed(r *http.Request) (what, value string) {
	for _, name := range []string{"click", "suggest", "react", "edit", "delete", "join", "invite", "submit", "close"} {
		if r.PostForm.Has(name) {
			return name, r.PostFormValue(name)
		}
	}
	return "", ""
}

// onConversation lets the person join a channel, or invite the app into it.
func (v *workspacePages) onConversation(w http.ResponseWriter, r *http.Request) {
	at := spotOf(r.PostForm)
	err := errUnknownAct
	switch what, _ := pressed(r); what {
	case "join":
		err = v.JoinAs(at.As, at.In, "")
	case "invite":
		err = v.JoinAs(v.botUser(), at.In, at.As)
	}
	v.done(w, r, at, err)
}

// revoke takes back what a person has allowed the app.
func (v *workspacePages) revoke(w http.ResponseWriter, r *http.Request) {
	v.done(w, r, spotOf(r.PostForm), v.RevokeGrant(r.PostFormValue("person")))
}

// done ends an act: back to where it was done, or with what is wrong.
func (v *workspacePages) done(w http.ResponseWriter, r *http.Request, at spot, err error) {
	v.doneTo(w, r, at.path("/"), err)
}

func (v *workspacePages) doneTo(w http.ResponseWriter, r *http.Request, back string, err error) {
	if err != nil {
		v.site.Refuse(w, r, http.StatusUnprocessableEntity, "The workspace refuses: "+strings.TrimPrefix(err.Error(), "sandbox: ")+".", remedy(Code(err)))
		return
	}
	v.site.Done(w, r, back)
}

// remedy says what helps with Slack's commonest refusals.
func remedy(code string) string {
	switch code {
	case "not_in_channel":
		return "Join the channel first."
	case "message_not_found":
		return "It was deleted meanwhile: load the page again."
	case "is_archived":
		return "Nothing can be written into an archived channel."
	case "too_many_reactions", "too_many_emoji":
		return "Take another reaction off first."
	}
	return "What was sent to the server, and how it answered, stands beside the messages."
}
