package ask

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// A Status is what has become of a question. It changes once, from Open to one of the
// others.
type Status string

const (
	// Open is a question that waits for its answer.
	Open Status = "open"
	// Answered has the answer in the row.
	Answered Status = "answered"
	// Withdrawn was taken back: its message was deleted, or its asker is gone.
	Withdrawn Status = "withdrawn"
	// Expired was not answered in time.
	Expired Status = "expired"
	// Altered was changed after it was posted, or clicked in another message: what a person
	// would mean is not known, and no answer counts any more.
	Altered Status = "altered"
)

// An Answer is the click, or the words, that ended a question.
type Answer struct {
	// Choice is the number of the button, from 0.
	Choice  int       `json:"choice"`
	User    string    `json:"user"`
	EventID string    `json:"event_id"`
	At      time.Time `json:"at"`
}

// A Row is what is kept of a question.
type Row struct {
	ID string `json:"-"`
	// Principal is who asked, and the only one who is told the answer.
	Principal string `json:"principal,omitempty"`
	// App, Team and Enterprise are those of the bot that posted the question.
	App        string `json:"app,omitempty"`
	Team       string `json:"team"`
	Enterprise string `json:"enterprise,omitempty"`

	Channel string   `json:"channel"`
	Text    string   `json:"text"`
	Choices []string `json:"choices"`
	Who     []string `json:"who,omitempty"`
	For     string   `json:"for,omitempty"` // as in a Question

	Asked   time.Time `json:"asked"`
	Expires time.Time `json:"expires"`

	// TS and Shown are known once Slack has answered the post: where the message is, and
	// the fingerprint of what it shows.
	TS    string `json:"ts,omitempty"`
	Shown string `json:"shown,omitempty"`

	Status Status  `json:"status"`
	Answer *Answer `json:"answer,omitempty"`

	version string
}

// Choice is the label of the button that was chosen; empty without an answer.
func (r *Row) Choice() string {
	if r.Answer == nil || r.Answer.Choice < 0 || r.Answer.Choice >= len(r.Choices) {
		return ""
	}
	return r.Choices[r.Answer.Choice]
}

// A Slack reads and changes the message of a question, answers a click, and tells who a user
// is; a [slackapi.Client] is one.
type Slack interface {
	Replies(ctx context.Context, q slackapi.RepliesQuery) (slackapi.MessagePage, error)
	UpdateMessage(ctx context.Context, u slackapi.Update) (slackapi.Posted, error)
	Respond(ctx context.Context, responseURL string, r slackapi.Response) error
	UserInfo(ctx context.Context, id string) (slackapi.User, error)
}

// Options configure [Questions]. All but OnAsk and Logger are required.
type Options struct {
	// State keeps the rows. All processes that may receive the clicks share it.
	State state.Store
	Slack Slack
	// Self returns who the bot is.
	Self func(ctx context.Context) (slackapi.Identity, error)
	// OnAsk is called before a question is kept, so before a person can click. It must
	// return at once. Nil is not called.
	OnAsk func()
	// Logger receives what an operator should know; nil is silent.
	Logger *slog.Logger
}

// Questions are those that were asked. They are safe for concurrent use.
type Questions struct {
	o   Options
	log *slog.Logger
	now func() time.Time
}

// New checks the options.
func New(o Options) (*Questions, error) {
	if o.State == nil || o.Slack == nil || o.Self == nil {
		return nil, errors.New("ask: State, Slack and Self are required")
	}
	q := &Questions{o: o, log: o.Logger, now: time.Now}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	return q, nil
}

const (
	// Rows is the prefix of the keys of the rows.
	Rows = "asks/"
	// places is the prefix of the keys that find the row of a message.
	places = "ask-messages/"
	// waiting is the prefix of the keys of the questions that are open.
	waiting = "ask-open/"
	// keepFor is how long a row can be read after the last moment at which it might have
	// been answered.
	keepFor = 7 * 24 * time.Hour
	// bindWithin bounds the writing of what Slack answered to the post.
	bindWithin = 10 * time.Second
	idBytes    = 16
)

func newID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return hex.EncodeToString(b[:])
}

// isID reports whether s may be the id of a row.
func isID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == idBytes && strings.ToLower(s) == s
}

// ErrNotKept says that there is no such question, or none any more, or that another asked it.
var ErrNotKept = errors.New("no such question")

// ErrNotRecorded says that a question was posted and could not be kept: no answer to it counts.
var ErrNotRecorded = errors.New("the question was posted, and could not be recorded: an answer to it would not count")

// Open keeps a question of a principal that is about to be posted, and returns the message
// to post. It can be answered for the time open. [Questions.Posted] follows. Errors wrap
// Slack's, of who the bot is, or the state's, or [ErrTooMany]; then nothing is to be posted.
func (q *Questions) Open(ctx context.Context, principal string, question Question, open time.Duration) (Row, slackapi.Post, error) {
	self, err := q.o.Self(ctx)
	if err != nil {
		return Row{}, slackapi.Post{}, err
	}
	now := q.now().UTC()
	r := Row{
		ID: newID(), Principal: principal, App: self.AppID, Team: self.TeamID, Enterprise: self.EnterpriseID,
		Channel: question.Channel, Text: question.Text, Choices: question.Choices, Who: question.Who, For: question.For,
		Asked: now, Expires: now.Add(open), Status: Open,
	}
	post, err := question.Message(r.ID)
	if err != nil {
		return Row{}, slackapi.Post{}, err
	}
	if err := q.mayAsk(ctx, principal); err != nil {
		return Row{}, slackapi.Post{}, err
	}
	if q.o.OnAsk != nil {
		q.o.OnAsk()
	}
	if err := q.mark(ctx, &r); err != nil {
		return Row{}, slackapi.Post{}, fmt.Errorf("keep the question: %w", err)
	}
	if err := q.put(ctx, &r, state.Put{IfAbsent: true}); err != nil {
		return Row{}, slackapi.Post{}, fmt.Errorf("keep the question: %w", err)
	}
	return r, post, nil
}

// Posted keeps what Slack answered to the post of a question that [Questions.Open] kept, and
// returns the question as it then is. A post that failed ends its question, which is kept only
// where the message may stand in Slack all the same; its error is returned as it is. [ErrNotRecorded] is wrapped where the message stands in Slack and what
// it shows could not be kept. That ctx is done does not keep it from its work.
func (q *Questions) Posted(ctx context.Context, r Row, posted slackapi.Posted, failure error) (Row, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bindWithin)
	defer cancel()
	if failure != nil {
		if err := q.discard(ctx, r.ID, failure); err != nil {
			q.log.LogAttrs(ctx, slog.LevelDebug, "a question that was not posted is still kept", slog.String("error", err.Error()))
		}
		return Row{}, failure
	}
	if err := q.bind(ctx, &r, &posted); err != nil {
		return Row{}, fmt.Errorf("%w: %w", ErrNotRecorded, err)
	}
	return r, nil
}

// errNoApp says that what Slack answered to a post does not do.
var errNoApp = errors.New("the answer to the post names no app, or does not show the question")

// bind keeps where a question stands, and what it shows.
func (q *Questions) bind(ctx context.Context, r *Row, posted *slackapi.Posted) error {
	m := shownMessage{TS: posted.TS, Blocks: posted.Message.Blocks, Attachments: posted.Message.Attachments}
	shown, err := m.fingerprint()
	if app := posted.Message.AppID; app != "" {
		r.App = app
	}
	if err != nil || r.App == "" || posted.TS == "" || posted.Channel == "" {
		return errors.Join(errNoApp, err)
	}
	r.Channel, r.TS, r.Shown = posted.Channel, posted.TS, shown
	r.Expires = q.now().UTC().Add(r.Expires.Sub(r.Asked)) // the post may have had to wait
	place, pause := placeKey(r.Channel, r.TS), wait.Backoff{First: 50 * time.Millisecond, Most: time.Second}
	for {
		_, err := q.o.State.Put(ctx, place, []byte(r.ID), state.Put{TTL: q.life(r)})
		if err == nil {
			err = q.put(ctx, r, state.Put{IfVersion: r.version})
		}
		switch {
		case errors.Is(err, state.ErrConflict):
			// It has ended already: a deletion came before the answer to the post.
			kept, err := q.Read(ctx, r.ID)
			if err == nil {
				*r = kept
			}
			return err
		case err == nil, !errors.Is(err, state.ErrUnavailable), wait.Sleep(ctx, pause.Next()) != nil:
			return err
		}
	}
}

// placeKey finds a row by its message.
func placeKey(channel, ts string) string { return places + channel + "/" + ts }

// life is how long a row is kept from now on.
func (q *Questions) life(r *Row) time.Duration {
	return max(r.Expires.Add(keepFor).Sub(q.now()), time.Minute)
}

func (q *Questions) put(ctx context.Context, r *Row, how state.Put) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a question: %w", err)
	}
	how.TTL = q.life(r)
	version, err := q.o.State.Put(ctx, Rows+r.ID, raw, how)
	if err == nil {
		r.version = version
	}
	return err
}

// Read returns a question as it is now. One whose time is up is Expired. The error is
// ErrNotKept where there is none.
func (q *Questions) Read(ctx context.Context, id string) (Row, error) {
	r, err := q.get(ctx, id)
	if err != nil || r.Status != Open || q.now().Before(r.Expires) {
		return r, err
	}
	r, ended, err := q.end(ctx, id, func(r *Row) { r.Status = Expired })
	if ended {
		q.tryShow(ctx, &r)
	}
	return r, err
}

// ReadAs is Read for a principal: ErrNotKept also where another one asked.
func (q *Questions) ReadAs(ctx context.Context, principal, id string) (Row, error) {
	r, err := q.get(ctx, id)
	switch {
	case err != nil:
		return Row{}, err
	case r.Principal == "" || r.Principal != principal:
		return Row{}, ErrNotKept
	}
	return q.Read(ctx, id)
}

func (q *Questions) get(ctx context.Context, id string) (Row, error) {
	if !isID(id) {
		return Row{}, ErrNotKept
	}
	e, err := q.o.State.Get(ctx, Rows+id)
	if errors.Is(err, state.ErrNotFound) {
		return Row{}, ErrNotKept
	}
	if err != nil {
		return Row{}, err
	}
	r := Row{}
	if err := json.Unmarshal(e.Value, &r); err != nil {
		return Row{}, ErrNotKept // it is none that this build wrote
	}
	r.ID, r.version = id, e.Version
	return r, nil
}

// At returns the question whose message is at a place, and reports whether there is one.
func (q *Questions) At(ctx context.Context, channel, ts string) (Row, bool, error) {
	e, err := q.o.State.Get(ctx, placeKey(channel, ts))
	if errors.Is(err, state.ErrNotFound) {
		return Row{}, false, nil
	}
	if err != nil {
		return Row{}, false, err
	}
	r, err := q.get(ctx, string(e.Value))
	if errors.Is(err, ErrNotKept) {
		return Row{}, false, nil
	}
	return r, err == nil && r.Channel == channel && r.TS == ts, err
}

// end gives an open question its end, and reports whether it did: the first one stays. It
// returns the question as it then is.
func (q *Questions) end(ctx context.Context, id string, change func(*Row)) (r Row, ended bool, err error) {
	for {
		if r, err = q.get(ctx, id); err != nil || r.Status != Open {
			return r, false, err
		}
		change(&r)
		if err = q.put(ctx, &r, state.Put{IfVersion: r.version}); err == nil {
			q.closed(ctx, id)
		}
		if !errors.Is(err, state.ErrConflict) {
			return r, err == nil, err
		}
		if err := ctx.Err(); err != nil {
			return r, false, err
		}
	}
}

// Withdraw takes an open question back, and says so in its message. One that has ended
// stays as it is.
func (q *Questions) Withdraw(ctx context.Context, id string) error {
	r, ended, err := q.end(ctx, id, func(r *Row) { r.Status = Withdrawn })
	if err != nil || !ended {
		return err
	}
	return q.show(ctx, &r)
}

// Extend lets an open question be answered for the time open from now on. One that has
// ended, or ends at this moment, stays as it is.
func (q *Questions) Extend(ctx context.Context, id string, open time.Duration) error {
	r, err := q.Read(ctx, id)
	if err != nil || r.Status != Open {
		return err
	}
	r.Expires = q.now().UTC().Add(open)
	if err = q.put(ctx, &r, state.Put{IfVersion: r.version}); errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}

// lookEvery is how often a question that is waited for is read: a watch may be late.
const lookEvery = time.Second

// Changes returns a channel that has a value whenever a question may have ended, and stop,
// which has to be called.
func (q *Questions) Changes(ctx context.Context, id string) (changes <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c := make(chan struct{}, 1)
	poke := func() {
		select {
		case c <- struct{}{}:
		default: // it waits already
		}
	}
	go func() {
		// Without a watch the looks remain.
		_ = q.o.State.Watch(ctx, Rows+id, func(state.Change) { poke() })
	}()
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				poke()
			case <-ctx.Done():
				return
			}
		}
	}()
	return c, cancel
}
