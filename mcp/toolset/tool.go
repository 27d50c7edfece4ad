package toolset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

// A Tool is the description of one tool and the way to run it. Tools are made by
// [Define] and are values; their slices are not to be written to.
type Tool struct {
	// Name is what a client calls, in snake_case. Title is for people.
	Name, Title string
	// Description tells a model when to use the tool and what to call next; PersonDescription does so
	// where a person calls, whom the words of Description for the bot would not fit.
	Description, PersonDescription string
	// Set is the toolset that the tool belongs to.
	Set string
	// Default puts the tool among those that are offered when the operator chooses none.
	Default bool
	// Effect is what a call does to the world.
	Effect Effect
	// For says how the tool serves people who have signed in. A tool that does not say it is not fit
	// to be published. Why says of one that is for services only what it needs: "the app's own events".
	For Audience
	Why string
	// Scope is what a principal needs to list and call the tool, And what it needs as
	// well; And may be empty, and is not needed of a person for whom the bot acts.
	Scope, And access.Scope
	// Needs are the Slack scopes that a bot token needs, UserNeeds those with which a
	// user token can stand in for it. "a|b" means that either will do. A tool that
	// has neither calls nothing in Slack; one that has only UserNeeds takes a user token.
	Needs, UserNeeds []string
	// PersonNeeds are the scopes that a person's own token needs, where they are neither UserNeeds nor
	// Needs.
	PersonNeeds []string

	// InputSchema and OutputSchema are set by Define.
	InputSchema, OutputSchema json.RawMessage

	run       func(ctx context.Context, c *Call, raw json.RawMessage) (Result, error)
	arguments []field
	err       error
}

// With has the scopes of Slack that go with others: a tool can be called without them, and then does less. It
// is not to be written to.
var With = map[string]string{
	"users:read": "users:read.email", // people are found by their address, too
	"chat:write": "im:write",         // writing to a person opens the direct message
}

// Effect is what a call does, from which a tool's annotations follow.
type Effect uint8

const (
	// Reads changes nothing.
	Reads Effect = iota
	// Adds adds something with each call.
	Adds
	// Sets brings about a state; doing it twice is doing it once.
	Sets
	// Destroys removes or overwrites something that was there.
	Destroys
)

// ReadOnly reports that a call changes nothing.
func (e Effect) ReadOnly() bool { return e == Reads }

// Destructive reports that a call may remove or overwrite something.
func (e Effect) Destructive() bool { return e == Destroys }

// Idempotent reports that a second call with the same arguments changes nothing more.
func (e Effect) Idempotent() bool { return e != Adds }

// An Audience says how a tool serves people who have signed in; services have it with the server's own
// tokens.
type Audience uint8

const (
	// AsPerson runs with the token of the person who calls, and with no other one.
	AsPerson Audience = iota + 1
	// BotForPerson runs with the bot's token for a person, who is found to be a member of the
	// conversation at that moment.
	BotForPerson
	// ServiceOnly is not for people.
	ServiceOnly
)

// String is the audience as the documentation has it.
func (a Audience) String() string {
	switch a {
	case AsPerson:
		return "person"
	case BotForPerson:
		return "bot-for-person"
	case ServiceOnly:
		return "service only"
	}
	return "not judged"
}

// A Call is one call as a handler sees it.
type Call struct {
	// Tool is the tool's name.
	Tool string
	// Principal is who calls; never nil.
	Principal *access.Principal
	// Progress tells the client how far the call has come, where it asked for that.
	// It is never nil and does not block.
	Progress func(done, total float64, message string)
	// Deferred is called when the handler has returned or panicked, the first function
	// first. The handler may add functions to it.
	Deferred []func()
}

// Result is what a handler returned, as it is sent.
type Result struct {
	// Structured is the JSON object that the output schema describes.
	Structured json.RawMessage
	// Media are images and documents that go beside it.
	Media []Media
}

// Media is one image of a result or, with a URI, one document.
type Media struct {
	MIMEType string
	Data     []byte
	URI      string
}

// content is the media as MCP carries it.
func (m *Media) content() mcp.Content {
	data := base64.StdEncoding.EncodeToString(m.Data)
	if m.URI == "" {
		return mcp.NewImageContent(data, m.MIMEType)
	}
	return mcp.NewEmbeddedResource(mcp.BlobResourceContents{URI: m.URI, MIMEType: m.MIMEType, Blob: data})
}

// Define completes the description of a tool with its handler. The schemas are those of In
// and Out, which are structs with the tags of this package. An Out that has a method
// Media() []Media sends these along. A mistake in the structs is reported by
// [NewCatalog].
func Define[In, Out any](t Tool, run func(ctx context.Context, c *Call, in In) (Out, error)) Tool {
	in, errIn := bindingOf[In](false) // some services refuse the keyword that closes an object
	var errOut error
	t.OutputSchema, errOut = SchemaOf[Out]()
	t.err = errors.Join(errIn, errOut)
	if errIn == nil {
		t.InputSchema, t.arguments = in.Schema, in.object.fields
	}
	t.run = func(ctx context.Context, c *Call, raw json.RawMessage) (Result, error) {
		defer func() {
			for _, f := range c.Deferred {
				f()
			}
		}()
		args, err := in.Bind(raw)
		if err != nil {
			return Result{}, err
		}
		value, err := run(ctx, c, args)
		if err != nil {
			return Result{}, err
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(value); err != nil {
			return Result{}, fmt.Errorf("encode result: %w", err)
		}
		r := Result{Structured: json.RawMessage(bytes.TrimRight(b.Bytes(), "\n"))}
		if m, ok := any(value).(interface{ Media() []Media }); ok {
			r.Media = m.Media()
		}
		return r, nil
	}
	return t
}

// Run calls the tool's handler with a call's arguments as JSON. It does not check what
// the principal may do: a [Registry] does.
func (t *Tool) Run(ctx context.Context, c *Call, arguments json.RawMessage) (Result, error) {
	return t.run(ctx, c, arguments)
}

// misjudged says what is wrong with whom the tool is for, "" where nothing is.
func (t *Tool) misjudged() string {
	switch {
	case t.Scope == access.Read && !t.Effect.ReadOnly(), t.Scope == access.Write && t.Effect.ReadOnly():
		return "scope " + string(t.Scope) + " and effect contradict each other"
	case t.For < AsPerson, t.For > ServiceOnly:
		return "it does not say whom it is for"
	case (t.For == ServiceOnly) != (t.Why != ""):
		return "why it is not for people has to be said of those that are not, and of no other"
	}
	return ""
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// check names what is missing from a description.
func (t *Tool) check() error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if t.err != nil {
		errs = append(errs, t.err)
	}
	if !snakeCase.MatchString(t.Name) || len(t.Name) > 64 {
		say("name is not snake_case of at most 64 characters")
	}
	if t.run == nil {
		say("it was not made by Define")
	}
	for what, s := range map[string]string{"title": t.Title, "description": t.Description, "set": t.Set, "scope": string(t.Scope)} {
		if strings.TrimSpace(s) == "" {
			say("%s is missing", what)
		}
	}
	if problem := t.misjudged(); problem != "" {
		say("%s", problem)
	}
	for _, f := range t.arguments {
		if f.doc == "" {
			say("argument %s has no doc", f.name)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tool %q: %w", t.Name, err)
	}
	return nil
}

// The words that [Choice.Toolsets] takes beside the names of toolsets.
const (
	// All is every tool.
	All = "all"
	// Default is the tools that are offered when the operator chooses none.
	Default = "default"
)

// A Catalog is all tools that there are, in a fixed order: by toolset as given, by
// name within it. It is immutable.
type Catalog struct {
	tools []Tool
	sets  []string
}

// NewCatalog checks the tools and puts them in order. Its error names every tool that
// is not fit to be published.
func NewCatalog(tools ...Tool) (*Catalog, error) {
	c := &Catalog{tools: slices.Clone(tools)}
	var errs []error
	seen := map[string]bool{}
	for i := range c.tools {
		t := &c.tools[i]
		if err := t.check(); err != nil {
			errs = append(errs, err)
		}
		if seen[t.Name] {
			errs = append(errs, fmt.Errorf("tool %q: there are two of this name", t.Name))
		}
		seen[t.Name] = true
		if !slices.Contains(c.sets, t.Set) {
			c.sets = append(c.sets, t.Set)
		}
	}
	slices.SortStableFunc(c.tools, func(a, b Tool) int {
		if d := slices.Index(c.sets, a.Set) - slices.Index(c.sets, b.Set); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return c, errors.Join(errs...)
}

// Tools returns all tools in order.
func (c *Catalog) Tools() []Tool { return slices.Clone(c.tools) }

// A Choice says which tools a server offers.
type Choice struct {
	// Toolsets are names of toolsets, [Default] or [All].
	Toolsets []string
	// Tools are further tools by name; with no Toolsets they are the only ones.
	// With neither, the choice is [Default].
	Tools []string
	// ReadOnly leaves every tool out that changes anything, however it was named.
	ReadOnly bool
}

// Choose returns the tools of a choice in the catalog's order. Its error names every
// unknown toolset and tool with the nearest that there is.
func (c *Catalog) Choose(choice Choice) ([]Tool, error) {
	sets, tools := names(choice.Toolsets), names(choice.Tools)
	if len(sets) == 0 && len(tools) == 0 {
		sets = []string{Default}
	}
	if err := c.known(sets, tools); err != nil {
		return nil, err
	}
	var chosen []Tool
	for _, t := range c.tools {
		if choice.ReadOnly && !t.Effect.ReadOnly() {
			continue
		}
		if slices.Contains(tools, t.Name) || slices.Contains(sets, t.Set) ||
			slices.Contains(sets, All) || t.Default && slices.Contains(sets, Default) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

// names takes a list that may hold lists.
func names(in []string) []string {
	var out []string
	for _, s := range in {
		for n := range strings.SplitSeq(s, ",") {
			if n = strings.TrimSpace(n); n != "" {
				out = append(out, n)
			}
		}
	}
	return out
}

func (c *Catalog) known(sets, tools []string) error {
	var errs []error
	words := append([]string{Default, All}, c.sets...)
	for _, s := range sets {
		if !slices.Contains(words, s) {
			errs = append(errs, unknownName("toolset", s, words))
		}
	}
	var all []string
	for _, t := range c.tools {
		all = append(all, t.Name)
	}
	for _, s := range tools {
		if !slices.Contains(all, s) {
			errs = append(errs, unknownName("tool", s, all))
		}
	}
	return errors.Join(errs...)
}

func unknownName(what, name string, all []string) error {
	if n := nearest(name, all); n != "" {
		return fmt.Errorf("unknown %s %q: did you mean %q?", what, name, n)
	}
	return fmt.Errorf("unknown %s %q: there are %s", what, name, strings.Join(all, ", "))
}

// A Grant is what Slack gave to the tokens at hand. The zero value is a bot token whose
// scopes are not known yet, with which every bot's tool is worth a try.
type Grant struct {
	// Known reports that the scopes below are Slack's word.
	Known bool
	// Bot and User are the scopes of the two tokens.
	Bot, User []string
	// HasUser reports that there is a user token, Alone that there is no bot token beside it: it makes
	// the calls of every tool then.
	HasUser, Alone bool
	// Refused is why Slack refuses the bot token, or a user token that is alone; nil when it takes it, as
	// far as is known. It ends each call of a tool that needs Slack, unless a user token can stand in.
	Refused error
}

// Refuses returns the error that ends each call of a tool, or nil.
func (g Grant) Refuses(t *Tool) error {
	if len(t.Needs)+len(t.UserNeeds) == 0 || g.HasUser && !g.Alone && len(t.UserNeeds) > 0 {
		return nil
	}
	return g.Refused
}

// Missing returns the Slack scopes for want of which the tool cannot be called, as
// the tool's Needs write them; nil when it can.
func (g Grant) Missing(t *Tool) []string {
	if g.Alone {
		return g.ofOnly(t)
	}
	bot, byBot := g.ofBot(t)
	user, byUser := g.ofUser(t)
	switch {
	case len(t.Needs)+len(t.UserNeeds) == 0, byBot, byUser:
		return nil
	case len(t.Needs) > 0:
		return bot
	}
	return user
}

// ofBot returns what the bot token lacks, and whether it is enough.
func (g Grant) ofBot(t *Tool) (lacking []string, enough bool) {
	if len(t.Needs) == 0 {
		return nil, false
	}
	if !g.Known {
		return nil, true
	}
	lacking = without(t.Needs, g.Bot)
	return lacking, len(lacking) == 0
}

// ofUser returns what a user token would need, and whether there is one that has it.
func (g Grant) ofUser(t *Tool) (lacking []string, enough bool) {
	if len(t.UserNeeds) == 0 {
		return nil, false
	}
	if g.HasUser && (!g.Known || len(without(t.UserNeeds, g.User)) == 0) {
		return nil, true
	}
	return ofUserToken(t.UserNeeds), false
}

// ofOnly returns what a user token lacks that is the only one.
func (g Grant) ofOnly(t *Tool) []string {
	if !g.Known {
		return nil
	}
	return ofUserToken(without(t.personNeeds(), g.User))
}

// ofUserToken writes scopes that a user token lacks.
func ofUserToken(scopes []string) (lacking []string) {
	for _, s := range scopes {
		lacking = append(lacking, "user token: "+s)
	}
	return lacking
}

// without returns the needs that no scope of have satisfies.
func without(needs, have []string) []string {
	var lacking []string
	for _, need := range needs {
		if !slices.ContainsFunc(strings.Split(need, "|"), func(s string) bool { return slices.Contains(have, s) }) {
			lacking = append(lacking, need)
		}
	}
	return lacking
}

// nearest returns the name that a person most likely meant, or "" when none is near.
func nearest(s string, names []string) string {
	best, least := "", len(s)/2+1
	for _, n := range names {
		if d := distance(s, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// Near returns up to n of the names that are most like s, the most alike first; those that
// contain it are. None is returned that is not like it.
func Near(s string, names []string, n int) []string {
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	for _, name := range names {
		far := distance(s, name)
		if len(s) > 2 && strings.Contains(name, s) {
			far = 0
		}
		if far < len(s)/2+1 {
			all = append(all, candidate{name, far})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(a.far-b.far, strings.Compare(a.name, b.name)) })
	var near []string
	for _, c := range all[:min(n, len(all))] {
		near = append(near, c.name)
	}
	return near
}

// distance is the Levenshtein distance in bytes: names are ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
