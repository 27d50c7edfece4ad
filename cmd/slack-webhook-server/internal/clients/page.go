package clients

import (
	"strings"
)

// PageURL is the address in the page's examples.
const PageURL = "http://127.0.0.1:3000/mcp"

const pageHead = "<!-- Made from the table of the command client-config by `go generate ./...`; edit there. -->\n\n" + `# MCP clients

` + "`slack-webhook-server client-config <client>`" + ` prints what connects a client to the server with your settings: its
address, and where the token comes from. This page has the same texts for a server on this machine. What is in angle
brackets you fill in.

The token is MCP_AUTH_TOKEN, or the one that the server made. Its file is named when the server starts, and ` + "`client-config`" + ` prints the
command that reads it. Most clients take it from their environment; from a server that systemd runs, for example:

` + "    export " + TokenVariable + `="$(cat /var/lib/slack-webhook-server/mcp-token)"

Where people sign in with Slack (SIGN_IN_TEAMS, [sign-in.md](sign-in.md)) no token is entered: leave the header out. claude.ai
and ChatGPT connect in that way alone, from the internet, over https.

## What works where

*seen*: a test does it with this version of the client. *doc*: the client's documentation says so; a test does not.
*no*: it does not, by its documentation or as it was seen. *?*: not known. Clients that need an account were not run at all; those that
are led by a model had one on the loopback, which calls a tool.

Updates are ` + "`resources/updated`" + `, or ` + "`subscriptions/listen`" + `. Events are what reaches the model without its asking: MCP Events and
channels ([events.md](events.md)). Every client that calls tools can wait for events by ` + "`slack_wait_for_event`" + `.

| client | version | tools | resources | updates | events | signing in | seen by |
|---|---|---|---|---|---|---|---|
`

// Page is docs/clients.md.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, c := range table {
		seen := c.Seen
		if seen == "" {
			seen = "not run: it needs an account"
		}
		cells := []string{
			"[" + c.Title + "](#" + c.Name + ")", c.Version, string(c.Tools), string(c.Resources), string(c.Updates), string(c.Events), string(c.SignIn), seen,
		}
		for i, cell := range cells {
			if cell == "" {
				cells[i] = "-"
			}
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	b.WriteString("\nSigning in was seen with the SDKs and with mcp-remote, by `server` TestOfficialClientsSignIn. Events of the AI SDK were seen by\n" +
		"`test/e2e` TestEventsClients.\n")
	server := Server{URL: PageURL, Token: true}
	for _, c := range table {
		s := server
		if c.SignInOnly {
			s = Server{URL: "https://slack.example.com/mcp"}
		}
		b.WriteString("\n## " + c.Name + "\n\n" + c.Title + ": " + c.File + ".\n\n```" + language(c.Text(s)) + "\n" + c.Text(s) + "```\n")
		if c.Notes != "" {
			b.WriteString("\n" + strings.ReplaceAll(c.Notes, "\n", "\n\n") + "\n")
		}
	}
	return b.String()
}

// language is how a text is coloured.
func language(text string) string {
	switch {
	case strings.HasPrefix(text, "{"):
		return "json"
	case strings.HasPrefix(text, "["):
		return "toml"
	case strings.HasPrefix(text, "import asyncio"):
		return "python"
	case strings.HasPrefix(text, "import "):
		return "js"
	}
	return "text"
}
