package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// A Directory finds conversations and people; *names.Resolver is one.
type Directory interface {
	// Channel returns what is known of a conversation.
	Channel(ctx context.Context, id string) (names.Channel, error)
	// ChannelID returns the id of a channel's name; names.ErrNoChannel.
	ChannelID(ctx context.Context, name string) (string, error)
	// Self returns the workspace.
	Self(ctx context.Context) (slackapi.Identity, error)
	// UserID returns the id of a person; names.ErrNoUser.
	UserID(ctx context.Context, ref names.UserRef) (string, error)
}

// A Rule is one conversation of Allow or Deny.
type Rule struct {
	// id is of a conversation; otherwise name is a channel's, or person is whose direct
	// message it is.
	id, name string
	person   *names.UserRef
	// found is the id of the name, or of the person, once it is known. It stays: who renames
	// a channel frees none and takes none.
	found atomic.Pointer[string]
	// keep remembers it over restarts; nil does not.
	keep state.Store
}

// idLike is what Slack's ids look like that are in use today; what is written like one in
// capitals and is shorter, or has no digit, is more likely a name.
var idLike = regexp.MustCompile(`^[A-Z][A-Z0-9]*[0-9][A-Z0-9]*$`)

const shortestID = 9

// ParseRule reads a conversation as an operator writes it: by its id, by a channel's name with
// or without "#", by a link to it or one of its messages, or by a person, by id or e-mail
// address, for the direct message with them. Its error says what can be written instead.
func ParseRule(s string) (*Rule, error) {
	ref, err := names.ParseChannel(s)
	switch {
	case err != nil:
		return nil, err
	case ref.Name != "":
		return &Rule{name: ref.Name}, nil
	case ref.User == nil:
		return &Rule{id: ref.ID}, likely(s, ref.ID)
	case ref.User.Name != "":
		return nil, errors.New("write a person by id (U0123456789) or e-mail address: a name can be taken by others")
	case strings.HasPrefix(ref.User.ID, "B"):
		return nil, errors.New("write the person's or bot's id that begins with U: there is no direct message with an id that begins with B")
	case ref.User.ID != "":
		return &Rule{person: ref.User}, likely(s, ref.User.ID)
	}
	return &Rule{person: ref.User}, nil
}

// likely refuses what looks like an id and is hardly one. What a link or a mention says is one.
func likely(s, id string) error {
	if strings.TrimSpace(s) != id || usual(id) {
		return nil
	}
	return fmt.Errorf("this looks like an id and is hardly one: write a name with # and in small letters (#%s), or an id as a link to the conversation", strings.ToLower(id))
}

func usual(id string) bool { return len(id) >= shortestID && idLike.MatchString(id) }

type rules struct {
	allow, deny []*Rule
	directory   Directory
}

func newRules(o Options) (*rules, error) {
	r := &rules{directory: o.Directory}
	for _, list := range []struct {
		from []string
		to   *[]*Rule
	}{{o.Allow, &r.allow}, {o.Deny, &r.deny}} {
		for _, s := range list.from {
			if strings.TrimSpace(s) == "" {
				continue
			}
			rule, err := ParseRule(s)
			if err != nil {
				return nil, fmt.Errorf("guard: %w", err)
			}
			if rule.id == "" && o.Directory == nil {
				return nil, errors.New("guard: Directory is required when Allow or Deny holds a name or a person")
			}
			rule.keep = o.Kept
			*list.to = append(*list.to, rule)
		}
	}
	return r, nil
}

var (
	errNotAllowed = &RefusedError{Code: "channel_not_allowed", Remedy: "The operator does not allow writing to this channel. Nothing was sent. Tell the user; another channel may be allowed."}
	errNotChecked = &RefusedError{Code: "channel_not_checked", Remedy: "The operator allows writing to some conversations only, and whether this is one could not be found out. Nothing was sent. Check the channel, or try again later."}
	errNoneNamed  = &RefusedError{Code: "channel_not_allowed", Remedy: "The operator allows writing to some conversations only, and this call names none of them. Nothing was sent. Tell the user."}
)

// A subject is a conversation that is checked. What a rule needs of it is asked for once.
type subject struct {
	id        string
	directory Directory // tells of the conversation
	rules     Directory // finds what rules name
	// fixed reports that no rule is found by this conversation having its name: the one who sees it is
	// not the one for whom rules are found.
	fixed bool
	known *names.Channel
}

// direct reports that it is the direct message with one person, or the person.
func (s *subject) direct() bool { return s.id[0] == 'D' || s.person() }

func (s *subject) person() bool { return s.id[0] == 'U' || s.id[0] == 'W' }

func (s *subject) channel(ctx context.Context) (names.Channel, error) {
	if s.known == nil {
		c, err := s.directory.Channel(ctx, s.id)
		if err != nil {
			return names.Channel{}, err
		}
		s.known = &c
	}
	return *s.known, nil
}

// isID reports whether Slack knows the conversation by its id. A channel's name in capitals can
// look like an id, and Slack posts to a name as well, which is not found among denied ids. Where
// Slack cannot be asked, an id has to look like those that are in use.
func (s *subject) isID(ctx context.Context) bool {
	if s.person() {
		return true // it is written to by the id of a direct message
	}
	if s.directory == nil {
		return usual(s.id)
	}
	c, err := s.channel(ctx)
	if fault, ok := errors.AsType[*slackapi.Error](err); ok && fault.Kind == slackapi.MissingScope {
		return usual(s.id)
	}
	return err == nil && c.ID == s.id
}

// check refuses a conversation that is denied, or not allowed, or of which neither can be
// decided. sight is what a person sees, and nil for services; of what a person does not see the error is
// Slack's.
func (r *rules) check(ctx context.Context, channel string, sight Directory) error {
	switch {
	case len(r.allow)+len(r.deny) == 0:
		return nil
	case channel == "" && len(r.allow) > 0:
		return errNoneNamed
	case channel == "":
		return nil
	}
	s, err := r.subject(ctx, channel, sight)
	if err != nil {
		return err
	}
	for _, rule := range r.deny {
		switch is, err := rule.denies(ctx, s); {
		case err != nil:
			return errNotChecked
		case is:
			return errNotAllowed
		}
	}
	switch {
	case len(r.deny) > 0 && !s.isID(ctx):
		return errNotChecked
	case len(r.allow) == 0:
		return nil
	}
	undecided := false
	for _, rule := range r.allow {
		is, err := rule.is(ctx, s)
		if is {
			return nil
		}
		undecided = undecided || err != nil
	}
	if undecided {
		return errNotChecked
	}
	return errNotAllowed
}

// subject is a conversation that is to be checked. Of what a person does not see there is an error.
func (r *rules) subject(ctx context.Context, id string, sight Directory) (*subject, error) {
	s := &subject{id: id, directory: r.directory, rules: r.directory}
	if sight == nil {
		return s, nil
	}
	if s.directory, s.fixed = sight, true; s.person() {
		return s, nil
	}
	_, err := s.channel(ctx)
	return s, err
}

// denies reports whether the rule forbids a conversation: the one that it is, and one that
// has its name today.
func (r *Rule) denies(ctx context.Context, s *subject) (bool, error) {
	is, err := r.is(ctx, s)
	if is || err != nil || r.name == "" || s.direct() {
		return is, err
	}
	return r.named(ctx, s)
}

// is reports whether a conversation is the rule's.
func (r *Rule) is(ctx context.Context, s *subject) (bool, error) {
	switch {
	case r.id != "":
		return r.id == s.id, nil
	case r.person != nil:
		return r.isOf(ctx, s)
	case s.direct():
		return false, nil
	}
	found, err := r.resolve(ctx, s.rules)
	if err != nil {
		return false, err
	}
	if found != "" || s.fixed {
		return found == s.id, nil
	}
	// No channel that was listed has the name. This one may: an archived one, or a new one.
	named, err := r.named(ctx, s)
	if err != nil || !named {
		return false, err
	}
	found, err = r.stays(ctx, s.rules, s.id)
	return found == s.id, err
}

// named reports whether a channel has the rule's name today.
func (r *Rule) named(ctx context.Context, s *subject) (bool, error) {
	c, err := s.channel(ctx)
	return err == nil && names.Same(c.Name, r.name), err
}

// isOf reports whether a conversation is the direct message with the rule's person.
func (r *Rule) isOf(ctx context.Context, s *subject) (bool, error) {
	if !s.direct() {
		return false, nil
	}
	found, err := r.resolve(ctx, s.rules)
	if err != nil || found == "" {
		return false, err
	}
	if s.person() {
		return found == s.id, nil
	}
	c, err := s.channel(ctx)
	if err == nil && c.User == "" {
		err = errors.New("the conversation's person is not known")
	}
	return found == c.User, err
}

// resolve returns the id of the rule's name or person, "" when Slack says that there is none.
func (r *Rule) resolve(ctx context.Context, d Directory) (string, error) {
	if found := r.found.Load(); found != nil {
		return *found, nil
	}
	if r.person != nil {
		if r.person.ID != "" {
			return r.person.ID, nil
		}
		id, err := d.UserID(ctx, *r.person)
		if err != nil {
			return "", missing(err)
		}
		r.found.CompareAndSwap(nil, &id)
		return *r.found.Load(), nil
	}
	if id, err := r.stays(ctx, d, ""); id != "" || err != nil {
		return id, err
	}
	id, err := d.ChannelID(ctx, r.name)
	if err != nil {
		return "", missing(err)
	}
	return r.stays(ctx, d, id)
}

// missing is nil for the error that there is no such thing.
func missing(err error) error {
	if errors.Is(err, names.ErrNoChannel) || errors.Is(err, names.ErrNoUser) {
		return nil
	}
	return err
}

// stays returns the id that the rule's name stays with: the one that is kept, or else this
// one, which is then kept; "" when there is neither.
func (r *Rule) stays(ctx context.Context, d Directory, id string) (string, error) {
	if r.keep != nil {
		self, err := d.Self(ctx)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256([]byte(r.name))
		key := "guard/" + self.TeamID + "/" + hex.EncodeToString(sum[:])
		e, err := r.keep.Get(ctx, key)
		if errors.Is(err, state.ErrNotFound) && id != "" {
			if _, err = r.keep.Put(ctx, key, []byte(id), state.Put{IfAbsent: true}); errors.Is(err, state.ErrConflict) {
				e, err = r.keep.Get(ctx, key) // another process was first
			}
		}
		switch {
		case errors.Is(err, state.ErrNotFound):
			return "", nil
		case err != nil:
			return "", err
		case len(e.Value) > 0:
			id = string(e.Value)
		}
	}
	if id == "" {
		return "", nil
	}
	r.found.CompareAndSwap(nil, &id)
	return *r.found.Load(), nil
}

// The pauses between two tries of find.
const (
	findAgain  = time.Second
	findSlowly = time.Minute
)

// find finds what the rules name, so that a channel which is renamed later is known by its id.
// What Slack says is not there is logged, and not looked for again before a write.
func (r *rules) find(ctx context.Context, log *slog.Logger) {
	for _, rule := range r.allow {
		rule.insist(ctx, r.directory, log, "allow")
	}
	for _, rule := range r.deny {
		rule.insist(ctx, r.directory, log, "deny")
	}
}

// insist resolves a rule, again and again until Slack answers or ctx is done.
func (r *Rule) insist(ctx context.Context, d Directory, log *slog.Logger, list string) {
	if r.id != "" || r.person != nil && r.person.ID != "" {
		return
	}
	backoff := wait.Backoff{First: findAgain, Most: findSlowly}
	for ctx.Err() == nil {
		found, err := r.resolve(ctx, d)
		if err == nil {
			r.tell(ctx, log, list, found)
			return
		}
		log.LogAttrs(ctx, slog.LevelWarn, "a rule of writing is not found yet; what it may concern is refused", slog.String("list", list), slog.Any("error", err))
		_ = wait.Sleep(ctx, backoff.Next()) // the loop ends with ctx
	}
}

// tell logs what a rule's name is. The name is the operator's own word, and an address is not
// shown.
func (r *Rule) tell(ctx context.Context, log *slog.Logger, list, found string) {
	if found != "" {
		log.LogAttrs(ctx, slog.LevelInfo, "a rule of writing is found", slog.String("list", list), slog.String("name", r.name), slog.String("id", found))
		return
	}
	log.LogAttrs(ctx, slog.LevelWarn, "a rule of writing names what is not there", slog.String("list", list), slog.String("name", r.name),
		slog.String("remedy", "check CHANNELS_ALLOW and CHANNELS_DENY; of a private channel the bot has to be a member; an id is always found"))
}
