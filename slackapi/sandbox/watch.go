package sandbox

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/page"
)

// What a page is told of, by name; see [page.Live].
const (
	changedConversations = "conversations" // channels, messages, people
	changedSent          = "sent"          // what was delivered
	changedCalls         = "calls"         // what the app called
)

const (
	maxSeen     = 200      // calls, and interactions, that are remembered
	maxSeenText = 4 << 10  // bytes of an answer, or of what was sent
	maxSeenArg  = 500      // bytes of an argument
	maxSeenArgs = 30       // arguments of a call
	maxSeenBody = 16 << 10 // bytes of an event that a page shows
)

// A watch remembers what came and went, for those who look, and tells them of changes. Sandbox.mu guards the lists.
type watch struct {
	live         page.Live
	calls        []seenCall        // oldest first
	interactions []seenInteraction // oldest first
}

// A seenCall is a request of the app to the Web API, without tokens.
type seenCall struct {
	at      time.Time
	method  string
	who     string // id of the user whose token it was; empty is nobody's
	bot     bool
	args    []argument
	problem string // Slack's error code; empty is success
	answer  string
	took    time.Duration
}

type argument struct{ Name, Value string }

// A seenInteraction is a click, a command or the like on its way to the app.
type seenInteraction struct {
	what, who string
	answer    Answer
}

// keepNewest appends to a list that forgets its oldest.
func keepNewest[T any](list []T, v T) []T {
	if len(list) >= maxSeen {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, v)
}

// saw remembers an interaction.
func (s *Sandbox) saw(what, who string, a Answer) {
	if len(a.Body) > maxSeenText {
		a.Body = a.Body[:maxSeenText]
	}
	s.mu.Lock()
	s.watch.interactions = keepNewest(s.watch.interactions, seenInteraction{what, who, a})
	s.mu.Unlock()
	s.watch.live.Changed(changedSent)
}

// A recorder is a call's answer on its way out; it keeps the beginning.
type recorder struct {
	http.ResponseWriter

	head bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.head.Write(p[:min(len(p), maxSeenText-min(r.head.Len(), maxSeenText))])
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// called remembers a call. args are those of the request, with which a method may have done what it wants.
func (s *Sandbox) called(c seenCall, token string, r *recorder) {
	c.took = time.Since(c.at)
	c.answer = withoutSecrets(r.head.String())
	s.mu.Lock()
	if who, err := s.identify(token, c.method); err == nil && who.user != nil {
		c.who, c.bot = who.user.ID, who.kind != userToken
	}
	s.watch.calls = keepNewest(s.watch.calls, c)
	s.mu.Unlock()
	s.watch.live.Changed(changedCalls)
	if !reading(c.method) {
		s.watch.live.Changed(changedConversations)
	}
}

// reading reports whether a method, by its name, changes nothing that a page shows.
func reading(method string) bool {
	_, verb, _ := strings.Cut(method, ".")
	for _, one := range []string{"list", "info", "history", "replies", "members", "test", "get", "lookup", "messages", "context"} {
		if strings.Contains(verb, one) {
			return true
		}
	}
	return false
}

// seenArgs are the arguments of a call as they are shown: cut, and without secrets.
func seenArgs(p params) (all []argument) {
	for name, value := range p {
		if secretArgs[name] {
			value = "…"
		}
		if len(value) > maxSeenArg {
			value = strings.ToValidUTF8(value[:maxSeenArg], "") + "…"
		}
		all = append(all, argument{name, withoutSecrets(value)})
	}
	slices.SortFunc(all, func(a, b argument) int { return strings.Compare(a.Name, b.Name) })
	return all[:min(len(all), maxSeenArgs)]
}

var secretArgs = map[string]bool{"token": true, "client_secret": true, "code": true, "refresh_token": true, "trigger_id": true}

// secrets are what opens something here: tokens by their kind, other secrets by the name before them.
var secrets = regexp.MustCompile(`xox[a-z][-.][\w.-]+|xapp-[\w-]+|("(?:token|action_token|trigger_id)": ?")[^"]*|(ticket=|/upload/v1/|/actions/\w+/)[^"&\s]+`)

func withoutSecrets(text string) string { return secrets.ReplaceAllString(text, "${1}${2}…") }
