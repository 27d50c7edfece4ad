package ask_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/ask"
	"slackmcp/slackapi"
	"slackmcp/store/memory"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// A paper is a Slack whose answers a test writes.
type paper struct {
	post     func(p slackapi.Post) (slackapi.Posted, error)
	user     error // of UserInfo
	read     error // of Replies
	messages []slackapi.Message
	said     string // to the person who clicked last
	mu       sync.Mutex
	updates  int // guarded by mu while several processes run
}

func (s *paper) PostMessage(_ context.Context, p slackapi.Post) (slackapi.Posted, error) {
	return s.post(p)
}

func (s *paper) UpdateMessage(context.Context, slackapi.Update) (slackapi.Posted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	return slackapi.Posted{}, nil
}

func (s *paper) Respond(_ context.Context, _ string, r slackapi.Response) error {
	s.said = r.Text
	return nil
}

func (s *paper) Replies(context.Context, slackapi.RepliesQuery) (slackapi.MessagePage, error) {
	return slackapi.MessagePage{Messages: s.messages}, s.read
}

func (s *paper) UserInfo(_ context.Context, id string) (slackapi.User, error) {
	return slackapi.User{ID: id, TeamID: "T1"}, s.user
}

func (s *paper) self(context.Context) (slackapi.Identity, error) {
	return slackapi.Identity{TeamID: "T1", AppID: "A1"}, nil
}

// failing is a state that fails while it is told to.
type failing struct {
	state.Store
	down  bool
	reads atomic.Int64 // of values
	slow  bool         // a Get returns a millisecond after it has read
}

func (f *failing) Get(ctx context.Context, key string) (state.Entry, error) {
	e, err := f.Store.Get(ctx, key)
	f.reads.Add(1)
	if f.slow {
		time.Sleep(time.Millisecond)
	}
	return e, err
}

func (f *failing) Put(ctx context.Context, key string, v []byte, p state.Put) (string, error) {
	if f.down {
		return "", state.ErrUnavailable
	}
	return f.Store.Put(ctx, key, v, p)
}

func newPaper(t *testing.T) (*paper, *failing, *ask.Questions) {
	t.Helper()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s, f := &paper{}, &failing{Store: store.State()}
	q, err := ask.New(ask.Options{State: f, Slack: s, Self: s.self})
	if err != nil {
		t.Fatal(err)
	}
	return s, f, q
}

// clickOn is a click on a button of a message as it was posted.
func clickOn(t *testing.T, p slackapi.Post, ts string) *event.Event {
	t.Helper()
	var blocks []struct {
		Elements []map[string]any `json:"elements"`
	}
	if err := json.Unmarshal(p.Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	action := blocks[len(blocks)-1].Elements[0]
	action["block_id"] = "slack_ask"
	raw, err := json.Marshal(map[string]any{
		"type": "block_actions", "api_app_id": "A1", "team": map[string]any{"id": "T1"}, "user": map[string]any{"id": "U1"},
		"channel":      map[string]any{"id": p.Channel},
		"container":    map[string]any{"type": "message", "message_ts": ts, "channel_id": p.Channel},
		"response_url": "https://hooks.slack.com/actions/T1/1/x",
		"message":      map[string]any{"ts": ts, "blocks": p.Blocks}, "actions": []any{action},
	})
	if err != nil {
		t.Fatal(err)
	}
	env, err := event.DecodeSlack([]byte(url.Values{"payload": {string(raw)}}.Encode()), event.Form)
	if err != nil {
		t.Fatal(err)
	}
	env.ReceivedAt = time.Now()
	return &env.Event
}

var question = ask.Question{Channel: "C1", Text: "Now?", Choices: []string{"Yes", "No"}}

func TestAClickBeforeThePostIsAnsweredWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, q := newPaper(t)
		settled := make(chan error, 1)
		s.post = func(p slackapi.Post) (slackapi.Posted, error) {
			click := clickOn(t, p, "1.1")
			go func() { settled <- q.Settle(t.Context(), click) }()
			time.Sleep(5 * time.Second)
			return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: p.Blocks}}, nil
		}
		row, err := pose(t.Context(), q, s, question, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-settled; err != nil {
			t.Fatal(err)
		}
		if got, err := q.Read(t.Context(), row.ID); err != nil || got.Status != ask.Answered || got.Choice() != "Yes" {
			t.Errorf("the question is %+v, %v", got, err)
		}
	})
}

func TestAClickOnAQuestionThatIsNeverBoundEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, q := newPaper(t)
		s.post = func(p slackapi.Post) (slackapi.Posted, error) {
			click, began := clickOn(t, p, "1.1"), time.Now()
			if err := q.Settle(t.Context(), click); err != nil {
				t.Error(err)
			}
			if waited := time.Since(began); waited < boundWithin {
				t.Errorf("the click waited %v for the answer to the post", waited)
			}
			return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: p.Blocks}}, nil
		}
		row, err := pose(t.Context(), q, s, question, time.Hour)
		if err != nil || row.Status != ask.Altered {
			t.Errorf("the question is %+v, %v", row, err)
		}
	})
}

const boundWithin = 10 * time.Second

func TestAQuestionThatCannotBeKeptIsNotPosted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, f, q := newPaper(t)
		posted := 0
		s.post = func(p slackapi.Post) (slackapi.Posted, error) {
			posted++
			f.down = true
			return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: p.Blocks}}, nil
		}
		f.down = true
		if _, err := pose(t.Context(), q, s, question, time.Hour); !errors.Is(err, state.ErrUnavailable) || posted != 0 {
			t.Errorf("with a state that is away: %v, %d messages", err, posted)
		}
		f.down = false
		if _, err := pose(t.Context(), q, s, question, time.Hour); !errors.Is(err, ask.ErrNotRecorded) || posted != 1 {
			t.Errorf("with a state that goes away: %v, %d messages", err, posted)
		}
		f.down = false
		s.post = func(p slackapi.Post) (slackapi.Posted, error) {
			return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: []byte(`[]`)}}, nil
		}
		if _, err := pose(t.Context(), q, s, question, time.Hour); !errors.Is(err, ask.ErrNotRecorded) {
			t.Errorf("an answer that does not show the question: %v", err)
		}
	})
}

func TestAnAnswerWaitsForUsersInfo(t *testing.T) {
	t.Parallel()
	s, _, q := newPaper(t)
	var click *event.Event
	s.post = func(p slackapi.Post) (slackapi.Posted, error) {
		click = clickOn(t, p, "1.1")
		return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: p.Blocks}}, nil
	}
	row, err := pose(t.Context(), q, s, question, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.user = &slackapi.Error{Kind: slackapi.Unavailable}
	if err := q.Settle(t.Context(), click); err == nil {
		t.Error("a click counted, or was dropped, while it was not known whose it is")
	}
	s.user = &slackapi.Error{Kind: slackapi.MissingScope}
	if err := q.Settle(t.Context(), click); err != nil || s.said == "" {
		t.Errorf("without the scope that tells who clicked: %v, told %q", err, s.said)
	}
	if got, err := q.Read(t.Context(), row.ID); err != nil || got.Status != ask.Open {
		t.Errorf("the question is %+v, %v", got, err)
	}
	s.user = nil
	if err := q.Settle(t.Context(), click); err != nil {
		t.Error(err)
	}
	if got, err := q.Read(t.Context(), row.ID); err != nil || got.Status != ask.Answered {
		t.Errorf("the question is %+v, %v", got, err)
	}
}

func TestTwoProcessesAgreeOnOneEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, f, q := newPaper(t)
		other, err := ask.New(ask.Options{State: f, Slack: s, Self: s.self})
		if err != nil {
			t.Fatal(err)
		}
		s.post = func(p slackapi.Post) (slackapi.Posted, error) {
			m := slackapi.Message{TS: "1.1", AppID: "A1", Blocks: p.Blocks}
			s.messages = []slackapi.Message{m}
			return slackapi.Posted{Channel: "C1", TS: "1.1", Message: m}, nil
		}
		row, err := pose(t.Context(), q, s, question, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		f.slow = true // both read that it is open before one of them writes
		words := make(chan bool, 2)
		for choice, of := range []*ask.Questions{q, other} {
			go func() {
				ok, err := of.AnswerInWords(t.Context(), row.ID, choice, "U1", "Ev1")
				if err != nil {
					t.Error(err)
				}
				words <- ok
			}()
		}
		if a, b := <-words, <-words; a == b {
			t.Errorf("%v and %v: want one answer", a, b)
		}
		one, err1 := q.Read(t.Context(), row.ID)
		two, err2 := other.Read(t.Context(), row.ID)
		if err1 != nil || err2 != nil || one.Status != ask.Answered || one.Choice() != two.Choice() {
			t.Errorf("%+v, %v; %+v, %v", one, err1, two, err2)
		}
	})
}

func TestAQuestionIsOpenAsLongAsItIsExtended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, f, q := newPaper(t)
		s.post = func(p slackapi.Post) (slackapi.Posted, error) {
			return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: p.Blocks}}, nil
		}
		row, err := pose(t.Context(), q, s, question, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(50 * time.Second)
			if err := errors.Join(q.Extend(t.Context(), row.ID, time.Minute), q.Sweep(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := q.Read(t.Context(), row.ID); err != nil || got.Status != ask.Open || s.updates != 0 {
			t.Fatalf("the question is %+v, %v", got, err)
		}
		time.Sleep(time.Minute)
		for range 2 {
			if err := q.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s.updates != 1 {
			t.Errorf("its message was changed %d times, want once", s.updates)
		}
		if got, err := q.Read(t.Context(), row.ID); err != nil || got.Status != ask.Expired {
			t.Errorf("the question is %+v, %v", got, err)
		}
		if err := q.Extend(t.Context(), row.ID, time.Minute); err != nil {
			t.Error(err)
		}
		if list, err := f.List(t.Context(), "ask-open/", "", 0); err != nil || len(list) != 0 {
			t.Errorf("open are %v, %v", list, err)
		}
	})
}
