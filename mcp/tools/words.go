package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"slackmcp/mcp/access"
	"slackmcp/mcp/markup"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// naming is the argument of every tool that sends words.
type naming struct {
	Plain bool `json:"plain_names,omitempty" doc:"Leave @name and #name as text"`
}

// words are the arguments of what a message says.
type words struct {
	Text     string          `json:"text,omitempty" max:"40000" doc:"mrkdwn or Markdown; with blocks: what notifications show"`
	Markdown string          `json:"markdown,omitempty" max:"12000" doc:"In place of text"`
	Blocks   json.RawMessage `json:"blocks,omitempty" as:"string" doc:"Block Kit, a JSON array"`
	naming
}

// Slack's bounds, in characters.
const (
	maxText     = 40_000 // of a message; Slack cuts a longer one
	maxMarkdown = 12_000
	maxSection  = 3_000 // of a text in a block
)

// said is what a message is to say.
type said struct {
	post slackapi.Post
	// words are the arguments as they were written: an idempotency key stands for them, because
	// the same words may call others on a repeat.
	words words
	notes remarks
}

// arguments are what an idempotency key stands for.
func (m *said) arguments() any {
	p := m.post
	p.Text, p.Markdown, p.Blocks = "", "", nil
	return []any{p, m.words}
}

// content is what a message says: names as mentions, Markdown as Markdown, and no mass mentions
// and nothing from elsewhere where they are not allowed.
func (k *kit) content(ctx context.Context, c *toolset.Call, in words) (said, error) {
	m := said{words: in}
	blocks, calmed, err := k.blocksOf(in.Blocks)
	if err != nil {
		return m, err
	}
	switch {
	case in.Text == "" && in.Markdown == "" && len(blocks) == 0:
		return m, &toolset.ArgumentError{Argument: "text", Problem: "give text, markdown or blocks"}
	case in.Markdown != "" && (in.Text != "" || len(blocks) > 0):
		return m, &toolset.ArgumentError{Argument: "markdown", Problem: "it stands in place of text and blocks: give one or the other"}
	}
	m.notes.calm(calmed)
	p := slackapi.Post{Text: in.Text, Markdown: in.Markdown, Blocks: blocks}
	if len(blocks) == 0 {
		m.rendering(&p)
		p.Text = k.spoken(ctx, c, p.Text, maxText, in.naming, &m.notes)
		if !in.Plain {
			p.Markdown = k.mention(ctx, c, p.Markdown, maxMarkdown, &m.notes)
		}
		p.Markdown, calmed = k.Guard.Markdown(p.Markdown)
		m.notes.calm(calmed)
	} else {
		p.Text, calmed = k.Guard.Text(p.Text)
		m.notes.calm(calmed)
	}
	m.post = p
	return m, k.Guard.Remote(p.Markdown, blocks)
}

// rendering sends a text that is Markdown as Markdown, where nothing is lost by it.
func (m *said) rendering(p *slackapi.Post) {
	is, mixed := markup.Markdown(p.Text)
	switch {
	case !is:
	case mixed, utf8.RuneCountInString(p.Text) > maxMarkdown:
		m.notes.add(noteMixed)
	default:
		p.Text, p.Markdown = "", p.Text
		m.notes.add("text was sent as Markdown.")
	}
}

const noteMixed = "text has Markdown, which is shown as it stands: Slack's own <…|…> is no Markdown, and Markdown has at most 12000 characters. Give all of it as markdown, or write *bold* and <https://…|label>."

// prose is a text that Slack takes in its own markup only: the comment of a file, a question.
func (k *kit) prose(ctx context.Context, c *toolset.Call, argument, text string, limit int, how naming, n *remarks) string {
	if is, _ := markup.Markdown(text); is {
		n.add(argument + " has Markdown, which is shown as it stands: write *bold* and <https://…|label>.")
	}
	return k.spoken(ctx, c, text, limit, how, n)
}

// spoken is a text with names made mentions, and mass mentions taken out where they are not allowed.
func (k *kit) spoken(ctx context.Context, c *toolset.Call, text string, limit int, how naming, n *remarks) string {
	if !how.Plain {
		text = k.mention(ctx, c, text, limit, n)
	}
	text, calmed := k.Guard.Text(text)
	n.calm(calmed)
	return text
}

// remarks are what a result says beside its data: each once.
type remarks []string

func (n *remarks) add(s string) {
	if s != "" && !slices.Contains(*n, s) {
		*n = append(*n, s)
	}
}

// calm says that mass mentions were taken out, where they were.
func (n *remarks) calm(calmed bool) {
	if calmed {
		n.add(noteMentions)
	}
}

// on is the notes behind those that a call has already.
func (n remarks) on(note string) string {
	all := n
	if note != "" {
		all = append(remarks{note}, n...)
	}
	return strings.Join(all, " ")
}

const (
	// mentionPatience bounds the search for all the names of a text.
	mentionPatience = 2 * time.Second
	maxMentions     = 20 // names of a text that are looked up
	maxMissed       = 5  // that are told of
	maxNear         = 3  // that are offered in place of one
)

// massive are the names that call all members.
var massive = map[string]bool{"channel": true, "here": true, "everyone": true}

// mention makes mentions of the names in a text: of users and groups with @ and of channels with
// #, where exactly one has the name. A text that would become longer than limit characters stays
// as it is. What calls nobody is noted.
func (k *kit) mention(ctx context.Context, c *toolset.Call, text string, limit int, n *remarks) string {
	all := markup.Names(text)
	if len(all) == 0 || k.Names == nil {
		return text
	}
	ctx, cancel := context.WithTimeout(ctx, mentionPatience)
	defer cancel()
	m := mentioning{kit: k, ctx: ctx, offers: c.Principal.Has(access.Read) || c.Principal.PersonMay(access.Read)}
	m.lookUp(all)
	var out strings.Builder
	at := 0
	for i, name := range all {
		if name.At < at { // a word of the name before
			continue
		}
		if i >= maxMentions {
			n.add(fmt.Sprintf("Of the names with @ and # only the first %d were looked up: the others call nobody.", maxMentions))
			break
		}
		mark, size := m.mark(name)
		out.WriteString(text[at:name.At] + mark)
		at = name.At
		if mark != "" {
			at += 1 + size
		}
	}
	out.WriteString(text[at:])
	if utf8.RuneCountInString(out.String()) > limit {
		n.add("With mentions the text would be too long: @name and #name call nobody.")
		return text
	}
	m.tell(n)
	return out.String()
}

// mentioning looks the names of one text up.
type mentioning struct {
	*kit
	ctx    context.Context
	offers bool // what is like a name may be told
	people map[string]names.Namesakes
	whole  bool // all users are known
	massed bool // a mass mention is not allowed
	missed []string
	more   int // missed that are not told of
}

func (m *mentioning) lookUp(all []markup.Name) {
	var wanted []string
	for _, name := range all[:min(len(all), maxMentions)] {
		if name.Sign == '@' {
			wanted = append(wanted, name.Readings...)
		}
	}
	if len(wanted) == 0 {
		return
	}
	var err error
	if m.people, m.whole, err = m.Names.Named(m.ctx, wanted); err != nil {
		m.whole = false
	}
}

// mark is what stands for a name in Slack's markup, and how many bytes of the name it replaces; ""
// leaves the name as it is.
func (m *mentioning) mark(name markup.Name) (mark string, size int) {
	if name.Sign == '#' {
		return m.channel(name.Readings)
	}
	first, _, _ := strings.Cut(name.Readings[len(name.Readings)-1], " ")
	for _, reading := range name.Readings {
		if massive[strings.ToLower(reading)] { // also where a person or a group is called so
			m.massed = m.massed || !m.Guard.MassMentions()
			if m.Guard.MassMentions() {
				return "<!" + strings.ToLower(reading) + ">", len(reading)
			}
			return "", 0
		}
		if who, ok := m.people[reading]; ok {
			return m.one(reading, who)
		}
	}
	m.miss(func() string {
		if !m.whole {
			return "@" + plain(first) + " calls nobody: the list of users could not be read whole. Look the user up and write <@U…>."
		}
		return "@" + plain(first) + " calls nobody: no user or group is called so." + m.likePeople(first)
	})
	return "", 0
}

// one is the mention of the only one who has a name.
func (m *mentioning) one(name string, who names.Namesakes) (mark string, size int) {
	switch {
	case len(who.Users)+len(who.Groups) > 1:
		m.miss(func() string {
			return "@" + plain(name) + " calls nobody: several are called so" + m.list(who) + ". Write <@U…> for one of them."
		})
	case len(who.Users) == 1:
		return "<@" + who.Users[0].ID + ">", len(name)
	case m.Guard.MassMentions():
		return "<!subteam^" + who.Groups[0].ID + ">", len(name)
	default:
		m.massed = true
	}
	return "", 0
}

// list is who has one name.
func (m *mentioning) list(who names.Namesakes) string {
	if !m.offers {
		return ""
	}
	var all []string
	if len(who.Users) > 0 {
		all = append(all, m.called(m.ctx, who.Users))
	}
	for _, g := range who.Groups {
		all = append(all, "group "+g.ID)
	}
	return ": " + strings.Join(all, ", ")
}

func (m *mentioning) channel(readings []string) (mark string, size int) {
	name := readings[len(readings)-1]
	if strings.Trim(name, "0123456789") == "" { // the number of something
		return "", 0
	}
	late := false
	for _, reading := range readings {
		id, err := m.Names.ChannelID(m.ctx, reading)
		if err == nil {
			return "<#" + id + ">", len(reading)
		}
		late = late || !errors.Is(err, names.ErrNoChannel)
	}
	m.miss(func() string {
		if late {
			return "#" + plain(name) + " leads nowhere: the list of channels could not be read whole. Write <#C…>."
		}
		sees := "the bot"
		if m.person {
			sees = "the user"
		}
		return "#" + plain(name) + " leads nowhere: " + sees + " sees no channel of that name." + m.likeChannels(name)
	})
	return "", 0
}

// likePeople offers whose name holds a word.
func (m *mentioning) likePeople(word string) string {
	if !m.offers {
		return ""
	}
	found, err := m.Names.SearchUsers(m.ctx, word, "", maxNear, m.Judge.Reading(m.ctx).Seen())
	if err != nil || len(found.Items) == 0 {
		return ""
	}
	return " Like it are: " + m.called(m.ctx, found.Items) + "."
}

// likeChannels offers the channels whose name holds a word.
func (m *mentioning) likeChannels(word string) string {
	if !m.offers {
		return ""
	}
	found, err := m.Names.SearchChannels(m.ctx, word, "", maxNear)
	if err != nil {
		return ""
	}
	var list []string
	var flags view.Flags
	r := m.Judge.Reading(m.ctx)
	for i := range found.Items {
		c := &found.Items[i]
		if name := r.ChannelName(c, &flags); name != "" && strings.Contains(name, strings.ToLower(word)) {
			list = append(list, fmt.Sprintf("<#%s> (#%s)", c.ID, name))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return " Like it are: " + strings.Join(list, ", ") + "."
}

// miss notes a name that calls nobody, by what say says of it.
func (m *mentioning) miss(say func() string) {
	if len(m.missed) == maxMissed {
		m.more++
		return
	}
	m.missed = append(m.missed, say())
}

// plain is a word of the text as it may stand in a note.
func plain(word string) string {
	var flags view.Flags
	return flags.Name(word)
}

// tell notes what calls nobody.
func (m *mentioning) tell(n *remarks) {
	n.calm(m.massed)
	for _, s := range m.missed {
		n.add(s)
	}
	if m.more > 0 {
		n.add(fmt.Sprintf("%d more names call nobody.", m.more))
	}
}

// called is users as a caller can tell them apart; the names of those alone whose words may be shown.
func (k *kit) called(ctx context.Context, users []names.User) string {
	r := k.Judge.Reading(ctx)
	shown := make([]names.User, len(users))
	for i := range users {
		p := r.Person(&users[i])
		shown[i] = names.User{ID: p.ID, Handle: p.Handle, Display: p.DisplayName, Real: p.RealName}
	}
	several := names.AmbiguousError{Users: shown}
	return several.List()
}
