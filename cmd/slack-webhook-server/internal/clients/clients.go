// Package clients says how MCP clients connect to this server: what to write into which file, or
// which command to give, and what works there. One table yields the command client-config and
// docs/clients.md.
package clients

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// TokenVariable is the environment variable by which clients are given the token.
const TokenVariable = "SLACK_MCP_TOKEN" //nolint:gosec // a name

// A Server is what a client is told of the server.
type Server struct {
	// URL is the address of its MCP endpoint.
	URL string
	// Token says that a client needs the bearer token. Without it people sign in, or everybody may
	// connect.
	Token bool
	// Secret is the token itself, where it is to be shown; otherwise a placeholder stands where a
	// client cannot read it from the environment.
	Secret string
}

// A Client is a program, or a library, that speaks MCP.
type Client struct {
	// Name is the word for the command, Title the client's own name.
	Name, Title string
	// Version is the one that was tried; empty where none was.
	Version string
	// File is where Text belongs, as a person reads it.
	File string
	// Text is what belongs there.
	Text func(s Server) string
	// Literal says that the token itself stands in File, because the client reads it from nowhere else.
	Literal bool
	// Asks says that the client asks a person for the token.
	Asks bool
	// SignInOnly says that the client takes no token: people have to sign in.
	SignInOnly bool
	// Notes are sentences that a person should read.
	Notes string
	// What works there.
	Tools, Resources, Updates, Events, SignIn Cell
	// Seen names the test that ran it; empty where the table repeats the client's own documentation.
	Seen string
}

// A Cell says whether something works in a client, and how that is known.
type Cell string

// The cells.
const (
	// Seen is what a test does with that client.
	Seen Cell = "seen"
	// Documented is what its documentation says.
	Documented Cell = "doc"
	// No is what it does not do, by its documentation or as it was seen.
	No Cell = "no"
	// Unknown is what was neither seen nor found.
	Unknown Cell = "?"
)

// All lists the clients in the order of the page.
func All() []Client { return table }

// Names lists the words for the command.
func Names() (names []string) {
	for _, c := range table {
		names = append(names, c.Name)
	}
	return names
}

// Find returns the client of a name.
func Find(name string) (Client, bool) {
	for _, c := range table {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// literal is the token as it stands in a file.
func (s Server) literal() string {
	if s.Secret != "" {
		return s.Secret
	}
	return "<token>"
}

// loopback reports whether the server is on the machine of whoever reads.
func (s Server) loopback() bool {
	u, err := url.Parse(s.URL)
	return err == nil && (u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1")
}

// plain reports whether others on the way can read what is sent.
func (s Server) plain() bool { return strings.HasPrefix(s.URL, "http://") && !s.loopback() }

// Warning says what is wrong with connecting to the server in this way, or "".
func (c Client) Warning(s Server) string {
	switch {
	case c.SignInOnly && s.Token:
		return c.Title + " takes no token: people sign in (SIGN_IN_TEAMS, docs/sign-in.md)"
	case c.SignInOnly && !strings.HasPrefix(s.URL, "https://"):
		return c.Title + " connects from the internet: set PUBLIC_URL to an https address that it reaches"
	case s.plain() && s.Token:
		return "over http:// everybody on the way can read the token: use https, docs/deployment.md"
	}
	return ""
}

// object is a JSON object.
type object map[string]any

// with adds the header that carries the token, as the client writes a reference to it.
func (o object) with(s Server, reference string) object {
	if s.Token {
		o["headers"] = object{"Authorization": "Bearer " + reference}
	}
	return o
}

// named is a file in which the server is one of several.
func named(key string, entry object) string { return document(object{key: object{"slack": entry}}) }

// document writes JSON as people do.
func document(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err.Error() // maps of texts can be written
	}
	return b.String()
}

// Steps say in words what a person does with the text, and what stands for the token. read is the
// shell's command that prints the token, such as cat '/path'.
func (c Client) Steps(s Server, read string) string {
	lines := []string{c.Title + ": " + c.File + "."}
	switch {
	case !s.Token || c.SignInOnly:
	case c.Asks:
		lines = append(lines, "It asks for the token once and keeps it with the system's secrets. This prints it: "+read)
	case !c.Literal:
		lines = append(lines, "Before you start it: export "+TokenVariable+`="$(`+read+`)"`)
	case s.Secret == "":
		lines = append(lines, "Replace <token>, which this prints: "+read, "With --show-token it stands there. Keep the file readable to you alone.")
	default:
		lines = append(lines, "The token stands in it: keep the file readable to you alone.")
	}
	if c.Notes != "" {
		lines = append(lines, c.Notes)
	}
	if w := c.Warning(s); w != "" {
		lines = append(lines, "Note: "+w+".")
	}
	return strings.Join(lines, "\n") + "\n"
}
