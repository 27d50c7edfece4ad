package config

import (
	"net/url"
	"slices"
	"strings"
)

// placeholders are parts of what examples write where a secret belongs.
var placeholders = []string{"your-", "your_", "changeme", "change-me", "replace-me", "..."}

// validateForms finds secrets that are another secret, or an example's, and a public address with a route
// of this server in it. They are told before anything is started, because Slack only says that it refuses.
func (l *loader) validateForms() {
	s := &l.config.Slack
	for _, text := range s.SigningSecrets.Reveal() {
		switch {
		case hasPrefix(text, "xoxb-", "xoxp-", "xoxe", "xapp-"):
			l.problems.add("SLACK_SIGNING_SECRET", "holds a token where the signing secret belongs", signingRemedy)
		case isPlaceholder(text):
			l.problems.add("SLACK_SIGNING_SECRET", "holds an example's words and no secret", signingRemedy)
		}
	}
	l.wantToken("SLACK_APP_TOKEN", s.AppToken, appRemedy, "xapp-")
	l.wantToken("SLACK_BOT_TOKEN", s.BotToken, botRemedy, "xoxb-", "xoxe.xoxb-")
	l.wantToken("SLACK_USER_TOKEN", s.UserToken, userRemedy, "xoxp-", "xoxe.xoxp-")
	l.validatePublicURL()
}

func hasPrefix(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(text, p) })
}

func isPlaceholder(text string) bool {
	text = strings.ToLower(text)
	return strings.HasPrefix(text, "<") || slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(text, p) })
}

// wantToken requires that a token, where there is one, is of its kind.
func (l *loader) wantToken(key string, token Secret, remedy string, prefixes ...string) {
	switch text := token.Reveal(); {
	case text == "":
	case !hasPrefix(text, prefixes...):
		l.problems.add(key, "does not begin with "+prefixes[0]+", so it is something else", remedy)
	case isPlaceholder(text):
		l.problems.add(key, "holds an example's words and no token", remedy)
	}
}

// validatePublicURL finds the address of one route where that of the server belongs.
func (l *loader) validatePublicURL() {
	u, err := url.Parse(l.config.Listen.PublicURL)
	if err != nil {
		return
	}
	for _, route := range []string{"/slack/events", l.config.MCP.MountPath, "/sse", "/webhooks", "/health", "/readyz"} {
		if before, ok := strings.CutSuffix(u.Path, route); ok && route != "" {
			l.problems.add("PUBLIC_URL", "ends in "+route+", which is one route of this server", "write "+u.Scheme+"://"+u.Host+before)
			return
		}
	}
}

// hintEnvironment warns of variables that are close to a setting of ours. Names of one word belong to too
// many programs, and of those that begin otherwise one letter may differ: SSL_CERT_FILE is others'.
func (l *loader) hintEnvironment() {
	keys := allKeys()
	for _, name := range l.src.EnvNames {
		if !strings.Contains(name, "_") || known(name) || l.file.entries[name].line > 0 {
			continue
		}
		near, ok := formerNames[name]
		if !ok {
			near, ok = Nearest(name, keys)
			first, _, _ := strings.Cut(name, "_")
			ok = ok && (strings.HasPrefix(near, first+"_") || edits(name, near) == 1)
		}
		if ok {
			l.warn("the variable %s is not a setting; did you mean %s?", shorten(name), near)
		}
	}
}

// hintNoSign warns of a line of the .env file that begins with a setting and has no equals sign. Others may
// be parts of a value of several lines.
func (l *loader) hintNoSign(line string, number int) {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	word = strings.TrimSuffix(word, ":")
	if known(strings.ToUpper(word)) {
		l.warn("%s:%d has no =, so it sets nothing: write %s=value", l.src.EnvFile, number, strings.ToUpper(word))
	}
}
