package view

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/slackapi"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// What a tool posts in a person's name looks as if the person had written it, and is an assistant's. It
// is known by three things, of which one is enough: Slack names our own app, or gives back our mark, or the
// message's place is remembered. The first two are in the event. Where both are missing, the event may come
// before Slack has answered where the message stands: so each post is announced in the state first, and who
// has to know waits while the person's assistant posts.

const (
	// postingPrefix begins the keys of posts under way; the person's id follows. postingLife is how long one
	// is under way at most, longer than any call of Slack's.
	postingPrefix = "posting/"
	postingLife   = 2 * time.Minute
	// postingPatience is how long a message of the person's waits for them, and postingLook the pause
	// between two looks.
	postingPatience = 10 * time.Second
	postingLook     = 50 * time.Millisecond
	// maxPostings is how many posts of one person are looked at.
	maxPostings = 10
)

// Posting announces that a principal posts in a person's name, before Slack is called. It returns
// what ends that: sure says that the place of what was posted was noted by [Posts.WroteFor], or that nothing was
// posted. Where the announcement cannot be kept nothing may be posted.
func (p *Posts) Posting(ctx context.Context, person string) (done func(sure bool), err error) {
	if !p.remembers(OfPeople) || person == "" {
		return func(bool) {}, nil
	}
	key := postingPrefix + person + "/" + rand.Text()
	if _, err := p.state.Put(ctx, key, []byte("{}"), state.Put{TTL: postingLife}); err != nil {
		return nil, err
	}
	return func(sure bool) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postsPatience)
		defer cancel()
		if sure {
			_ = p.state.Delete(ctx, key, "") // it ends by itself, too
		}
	}, nil
}

// WroteFor is [Posts.Wrote] of what was posted in a person's name. It reports whether that is kept.
func (p *Posts) WroteFor(ctx context.Context, channel, id, principal, person string) bool {
	return !p.remembers(OfPeople) || p.add(ctx, channel, id, post{Principal: principal, For: person})
}

// isMarked reports the mark of what tools post in people's names.
func isMarked(metadata json.RawMessage) bool {
	var m struct {
		Type string `json:"event_type"`
	}
	return len(metadata) > 0 && json.Unmarshal(metadata, &m) == nil && m.Type == slackapi.AssistantMark
}

// isBot reports that an identity of ours is a bot's, and not a person's.
func isBot(self *slackapi.Identity) bool { return self.UserID != "" && self.BotID != "" }

// isOurBot reports that a user is our own bot.
func (r *Reading) isOurBot(user string) bool {
	self := r.Self()
	return isBot(&self) && user == self.UserID
}

// A proof is what a message itself says of whether a tool wrote it in a person's name.
type proof uint8

const (
	no       proof = iota
	yes            // it did
	unproven       // the message says nothing; its place may be remembered
)

// proof reads the marks of an author in a scene. app is our own app and bot the user of its bot, as far as
// they are known.
func (a *author) proof(s *scene, app string, bot func() string) proof {
	known := app != "" || s.app != ""
	ours := a.app != "" && (a.app == s.app || a.app == app)
	switch {
	case a.user == "", a.user == slackbot, a.user == s.bot, announced[a.subtype] != "":
		return no
	case a.marked && (ours || a.app == "" || !known):
		return yes
	case ours, a.self:
		if s.bot != "" {
			return yes // the envelope names the bot
		}
		if b := bot(); b == "" || b == a.user {
			return no
		}
		return yes
	case a.app+a.bot != "" && known:
		return no // another app's, whatever it marks
	}
	return unproven
}

// assists reports whether a tool wrote a text in the name of its author, and under lockdown whether it did
// so for the one who reads.
func (r *Reading) assists(a *author, s *scene) (is, mine bool) {
	app := ""
	if r.Lockdown() || !s.enveloped {
		app = r.Self().AppID
	}
	switch said := a.proof(s, app, r.ourBot); {
	case said == no, said == unproven && a.typed, r.Lockdown() && r.isOurBot(a.user):
		return false, false
	case said == yes && !r.Lockdown():
		return true, true
	default:
		is = said == yes
	}
	for _, at := range a.places(s.channel) {
		if of, kept := r.personal(a.user, at[0], at[1]); kept {
			return true, of.Principal == r.principal && (!s.former || !of.Changed)
		}
	}
	return is, false
}

// personal is what is remembered under a key of what a user did, where a tool did it in the user's name.
func (r *Reading) personal(user, channel, key string) (of post, kept bool) {
	if user == "" || key == "" || !r.judge.posts.remembers(OfPeople) {
		return of, false
	}
	of, kept = r.post(channel, key)
	return of, kept && of.For == user
}

// ourBot is the user of our own bot; "" where it is not known, and where there is none.
func (r *Reading) ourBot() string {
	if self := r.Self(); isBot(&self) {
		return self.UserID
	} else if self.UserID != "" {
		return nobody
	}
	return ""
}

// nobody is the bot's user where we are known to be a person.
const nobody = "-"

// maxSharedFiles bounds the files of a message by which it is found.
const maxSharedFiles = 10

// places are where a message may be remembered: its own place, and its files.
func (a *author) places(channel string) [][2]string {
	var all [][2]string
	if a.ts != "" {
		all = append(all, [2]string{channel, a.ts})
	}
	for i := range a.files[:min(len(a.files), maxSharedFiles)] {
		all = append(all, [2]string{"", a.files[i].ID})
	}
	return all
}

// Assistant reports whether the message of an event was written, or its file uploaded, by a tool in a person's name:
// such an event orders nothing, wakes nobody and answers nothing. bot is asked for the user of our own bot, "" where there
// is none. While the person's assistant posts it waits, up to ten seconds; after that a message counts as the
// assistant's unless a client for people says that it sent it. It fails where the memory cannot be read. It is
// safe with a nil p, which knows what messages themselves say.
func (p *Posts) Assistant(ctx context.Context, e *event.Event, bot func(context.Context) (string, error)) (bool, error) {
	if e.Source != event.SourceSlack {
		return false, nil
	}
	_, a, s := open(e).subject(e)
	if !isMessage(e) && len(a.files) == 0 {
		return false, nil
	}
	var asked error
	said := a.proof(&s, "", func() (user string) {
		user, asked = bot(ctx)
		if user == "" {
			user = nobody
		}
		return user
	})
	if said != unproven || asked != nil || !p.remembers(OfPeople) {
		return said == yes && asked == nil, asked
	}
	return p.settled(ctx, &a, s.channel)
}

// settled reports whether a message that says nothing of it itself is an assistant's, once the posts of the
// person's assistant are no more under way.
func (p *Posts) settled(ctx context.Context, a *author, channel string) (bool, error) {
	for until := time.Now().Add(postingPatience); ; {
		// In this order: what is under way no more is remembered.
		under, err := p.state.List(ctx, postingPrefix+a.user+"/", "", maxPostings)
		if err != nil {
			return false, err
		}
		if kept, err := p.kept(ctx, a, channel); kept || err != nil {
			return kept, err
		}
		switch {
		case len(under) == 0:
			return false, nil
		case time.Now().After(until):
			return !a.typed, nil
		}
		if err := wait.Sleep(ctx, postingLook); err != nil {
			return false, err
		}
	}
}

// kept reports whether a message is remembered as one that a tool wrote in its author's name.
func (p *Posts) kept(ctx context.Context, a *author, channel string) (bool, error) {
	for _, at := range a.places(channel) {
		of, err := p.row(ctx, at[0], at[1])
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return false, err
		}
		if of.For == a.user {
			return true, nil
		}
	}
	return false, nil
}

// Assistant is [Posts.Assistant] of what the judge knows.
func (j *Judge) Assistant(ctx context.Context, e *event.Event) (bool, error) {
	return j.posts.Assistant(ctx, e, func(ctx context.Context) (string, error) {
		if j.people == nil {
			return "", nil
		}
		self, err := j.people.Self(ctx)
		if !isBot(&self) {
			self.UserID = ""
		}
		return self.UserID, err
	})
}
