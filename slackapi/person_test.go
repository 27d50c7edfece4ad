package slackapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/slackapi"
)

const (
	annToken   = "xoxp-sandbox-CANARY-ann"
	otherToken = "xoxe.xoxp-1-sandbox-CANARY-ann"
)

// A shownToken is a request as it was sent: its method or host, and the token that it showed.
type shownToken struct{ where, token string }

// A witness is a transport that keeps what was shown, and answers by a function.
type witness struct {
	mu    sync.Mutex
	shown []shownToken
	say   func(method, token string) string
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		body = readAll(r)
	}
	s := shownToken{strings.TrimPrefix(r.URL.Path, "/api/"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	if r.URL.Host != "slack.com" {
		s.where = r.URL.Host
	}
	if beside := "&" + body + "&" + r.URL.RawQuery; strings.Contains(beside, "xox") || strings.Contains(beside, "&token=") {
		s.token += " and one beside the header"
	}
	if n := len(body); r.ContentLength >= 0 && r.ContentLength != int64(n) {
		s.token += fmt.Sprintf(" with %d bytes that are said to be %d", n, r.ContentLength)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = append(w.shown, s)
	if w.say != nil {
		return answer(200, w.say(s.where, s.token)), nil
	}
	return answer(200, `{"ok":true,"upload_url":"https://files.slack.com/up","file_id":"F1"}`), nil
}

func (w *witness) all() []shownToken {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.shown)
}

// withAnn makes a client of a bot and an operator's token, and of it the client of a person.
func withAnn(t *testing.T, w http.RoundTripper, o slackapi.PersonOptions) *slackapi.Client {
	t.Helper()
	bot, err := slackapi.New(slackapi.Options{BotToken: botCanary, UserToken: userCanary, AppToken: "xapp-sandbox-CANARY", Transport: w, Pace: 100_000})
	succeed(t, err)
	return must(bot.Person(o))(t).Client()
}

func always(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// fill puts something into every argument that a method may look at.
func fill(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // The other kinds stay zero.
	case reflect.String:
		v.SetString("https://files.slack.com/f")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		if e := v.Type().Elem().Kind(); e == reflect.String || e == reflect.Uint8 && v.Type().Name() == "" {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				fill(f)
			}
		}
	}
}

// TestEveryCallOfAPersonShowsTheirToken calls every method that there is, by reflection, and looks at
// each request: it shows the person's token to Slack, and no other token to anybody.
func TestEveryCallOfAPersonShowsTheirToken(t *testing.T) {
	t.Parallel()
	var w witness
	ann := withAnn(t, &w, slackapi.PersonOptions{Who: "ann", Token: always(annToken)})
	if ann.AsUser() != ann || !ann.HasUserToken() {
		t.Error("a person's client is not their own user's")
	}
	value, called := reflect.ValueOf(ann), 0
	for i := range value.NumMethod() {
		name, m := value.Type().Method(i).Name, value.Method(i)
		if m.Type().NumIn() == 0 || m.Type().In(0) != reflect.TypeFor[context.Context]() {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for n := 1; n < m.Type().NumIn(); n++ {
			a := reflect.New(m.Type().In(n)).Elem()
			fill(a)
			args = append(args, a)
		}
		before := len(w.all())
		if m.Type().IsVariadic() {
			m.CallSlice(args)
		} else {
			m.Call(args)
		}
		sent := w.all()[before:]
		called += len(sent)
		for _, s := range sent {
			switch {
			case name == "Respond" && s.token == "", name == "Upload" && s.where == "files.slack.com" && s.token == "":
			case s.token != annToken:
				t.Errorf("%s showed %q to %s", name, s.token, s.where)
			}
		}
		if len(sent) == 0 && name != "OpenConnection" {
			t.Errorf("%s sent nothing", name)
		}
	}
	if called < 50 {
		t.Errorf("only %d requests", called)
	}
	_, err := ann.OpenConnection(t.Context())
	failed(t, err, slackapi.Auth, slackapi.CodeNoToken)
}

// TestNoOtherTokenIsInReachOfAPerson follows every pointer that a person's client has.
func TestNoOtherTokenIsInReachOfAPerson(t *testing.T) {
	t.Parallel()
	ann := withAnn(t, &witness{}, slackapi.PersonOptions{Who: "ann", Token: always(annToken)})
	second := must(ann.Person(slackapi.PersonOptions{Who: "ann", Token: always(annToken)}))(t).Client()
	stage, _ := ann.Rehearse()
	for name, root := range map[string]any{"the client": ann, "its user's": ann.AsUser(), "a person's of it": second, "a rehearsal": stage} {
		strs := reachable(reflect.ValueOf(root), map[uintptr]bool{})
		if !slices.Contains(strs, slackapi.DefaultURL) {
			t.Fatalf("%s: the search finds not even the URL", name)
		}
		for _, s := range strs {
			if strings.Contains(s, "CANARY") {
				t.Errorf("%s: %q", name, s)
			}
		}
	}
}

func reachable(v reflect.Value, seen map[uintptr]bool) (found []string) {
	switch v.Kind() { //nolint:exhaustive // The others hold no strings.
	case reflect.String:
		return []string{v.String()}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Kind() == reflect.Pointer && seen[v.Pointer()] {
			return nil
		}
		if v.Kind() == reflect.Pointer {
			seen[v.Pointer()] = true
		}
		return reachable(v.Elem(), seen)
	case reflect.Struct:
		for _, f := range v.Fields() {
			found = append(found, reachable(f, seen)...)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			found = append(found, reachable(v.Index(i), seen)...)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			found = append(append(found, reachable(it.Key(), seen)...), reachable(it.Value(), seen)...)
		}
	}
	return found
}

// TestARefusedTokenOfAPersonLeadsToNoOther lets Slack refuse a person's token in each way: it is told
// once, the call fails for the person alone, and no request shows another token.
func TestARefusedTokenOfAPersonLeadsToNoOther(t *testing.T) {
	t.Parallel()
	for code, kind := range map[string]slackapi.Kind{
		"invalid_auth": slackapi.Auth, "not_authed": slackapi.Auth, "token_expired": slackapi.Auth, "token_revoked": slackapi.Auth,
		"account_inactive": slackapi.Auth, "missing_scope": slackapi.MissingScope,
	} {
		var told []string
		w := &witness{say: func(string, string) string { return `{"ok":false,"error":"` + code + `","needed":"chat:write"}` }}
		ann := withAnn(t, w, slackapi.PersonOptions{Who: "ann", Token: always(annToken), OnRefused: func(_ context.Context, err *slackapi.Error) {
			told = append(told, err.Code)
		}})
		for _, call := range []func() error{
			func() error { return second(ann.History(t.Context(), slackapi.HistoryQuery{Channel: "C1"})) },
			func() error { return second(ann.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"})) },
			func() error { return second(ann.SearchMessages(t.Context(), slackapi.SearchQuery{Query: "x"})) },
			func() error { return ann.LeaveChannel(t.Context(), "C1") },
		} {
			told = nil
			before := len(w.all())
			err := call()
			if e := failed(t, err, kind, code); !e.SignIn || !contains(err.Error(), "sign in again") || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: %v", code, err)
			}
			if sent := w.all()[before:]; len(sent) != 1 || sent[0].token != annToken || !slices.Equal(told, []string{code}) {
				t.Errorf("%s: sent %v, told %v", code, sent, told)
			}
		}
	}
}

func TestOtherFailuresOfAPersonAreNotOfTheirToken(t *testing.T) {
	t.Parallel()
	w := &witness{say: func(string, string) string { return `{"ok":false,"error":"channel_not_found"}` }}
	ann := withAnn(t, w, slackapi.PersonOptions{Who: "ann", Token: always(annToken), OnRefused: func(_ context.Context, err *slackapi.Error) {
		t.Errorf("told of %v", err)
	}})
	_, err := ann.History(t.Context(), slackapi.HistoryQuery{Channel: "C1"})
	if e := failed(t, err, slackapi.NotFound, "channel_not_found"); e.SignIn {
		t.Error("it says to sign in")
	}
}

// TestAnExpiredTokenOfAPersonIsAskedForAnew: a post is sent once more, with the token that the source
// gives then, and never a third time.
func TestAnExpiredTokenOfAPersonIsAskedForAnew(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"token_expired", "invalid_auth"} {
		told := 0
		source := func(context.Context) (string, error) { return []string{annToken, otherToken, annToken}[told], nil }
		o := slackapi.PersonOptions{Who: "ann", Token: source, OnRefused: func(context.Context, *slackapi.Error) { told++ }}
		w := &witness{say: func(_, token string) string {
			if token == otherToken {
				return `{"ok":true,"channel":"C1","ts":"1.1"}`
			}
			return `{"ok":false,"error":"` + code + `"}`
		}}
		ann := withAnn(t, w, o)
		must(ann.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"}))(t)
		if want := []shownToken{{"chat.postMessage", annToken}, {"chat.postMessage", otherToken}}; !slices.Equal(w.all(), want) || told != 1 {
			t.Errorf("%s: sent %v, told %d times", code, w.all(), told)
		}
		w.say = func(string, string) string { return `{"ok":false,"error":"` + code + `"}` }
		told = 0
		_, err := ann.PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"})
		failed(t, err, slackapi.Auth, code)
		if n := len(w.all()); n != 4 || told != 2 {
			t.Errorf("%s: %d requests, told %d times", code, n, told)
		}
	}
}

// TestWithoutATokenNothingIsSent: what the source says decides what the person is told.
func TestWithoutATokenNothingIsSent(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		token  string
		err    error
		kind   slackapi.Kind
		code   string
		signIn bool
	}{
		{"signed out", t.Context(), "", fmt.Errorf("gone: %w", slackapi.ErrSignIn), slackapi.Auth, slackapi.CodeSignInAgain, true},
		{"the store is away", t.Context(), "", errors.New("away"), slackapi.Unavailable, slackapi.CodeNoPersonsToken, false},
		{"no token", t.Context(), "", nil, slackapi.Unavailable, slackapi.CodeNoPersonsToken, false},
		{"a bot's token", t.Context(), botCanary, nil, slackapi.Unavailable, slackapi.CodeNoPersonsToken, false},
		{"a token with a line in it", t.Context(), annToken + "\r\nX: y", nil, slackapi.Unavailable, slackapi.CodeNoPersonsToken, false},
		{"given up", canceled, "", context.Canceled, slackapi.Canceled, slackapi.CodeTimeout, false},
	} {
		var w witness
		ann := withAnn(t, &w, slackapi.PersonOptions{Who: "ann", Token: func(context.Context) (string, error) { return c.token, c.err }})
		_, err := ann.PostMessage(c.ctx, slackapi.Post{Channel: "C1", Text: "x"})
		if e := failed(t, err, c.kind, c.code); e.SignIn != c.signIn || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", c.name, err)
		}
		if sent := w.all(); len(sent) != 0 {
			t.Errorf("%s: sent %v", c.name, sent)
		}
	}
}

// TestARealTokenOfAPersonTravelsEncrypted: a sandbox may be reached over http, a person's real token may not.
func TestARealTokenOfAPersonTravelsEncrypted(t *testing.T) {
	t.Parallel()
	var w witness
	bot := must(slackapi.New(slackapi.Options{BotToken: botCanary, URL: "http://sandbox.example/api/", Transport: &w}))(t)
	for token, sent := range map[string]int{"xoxp-1-real": 0, annToken: 1} {
		before := len(w.all())
		_, _ = must(bot.Person(slackapi.PersonOptions{Who: "ann", Token: always(token)}))(t).Client().AuthTest(t.Context())
		if n := len(w.all()) - before; n != sent {
			t.Errorf("%s: %d requests, want %d", token, n, sent)
		}
	}
}

// TestAPersonsFileIsTheirs: the source of tokens is asked with a context of its own, so that what it calls
// itself is not taken for a download, and the token goes to Slack's hosts alone.
func TestAPersonsFileIsTheirs(t *testing.T) {
	t.Parallel()
	var w witness
	bot := must(slackapi.New(slackapi.Options{BotToken: botCanary, Transport: &w}))(t)
	ann := must(bot.Person(slackapi.PersonOptions{Who: "ann", Token: func(ctx context.Context) (string, error) {
		return annToken, second(bot.AuthTest(ctx))
	}}))(t).Client()
	must(ann.Download(t.Context(), "https://files.slack.com/f", 100))(t)
	must(ann.Download(t.Context(), "https://slack-files.com/f", 100))(t)
	_, err := ann.Download(t.Context(), "https://evil.example/f", 100)
	failed(t, err, slackapi.InvalidArgument, slackapi.CodeRefusedHost)
	want := []shownToken{{"auth.test", botCanary}, {"files.slack.com", annToken}, {"slack-files.com", ""}}
	if !slices.Equal(w.all(), want) {
		t.Errorf("sent %v, want %v", w.all(), want)
	}
}

// TestAUserTokenAloneMakesEveryCall: without a bot token the client acts as the owner of the user token,
// and says so; with one it acts as the bot.
func TestAUserTokenAloneMakesEveryCall(t *testing.T) {
	t.Parallel()
	var w witness
	alone := must(slackapi.New(slackapi.Options{UserToken: userCanary, Transport: &w}))(t)
	both := must(slackapi.New(slackapi.Options{BotToken: botCanary, UserToken: userCanary, Transport: &w}))(t)
	must(alone.AuthTest(t.Context()))(t)
	must(alone.SearchMessages(t.Context(), slackapi.SearchQuery{Query: "x"}))(t)
	must(alone.AsUser().PostMessage(t.Context(), slackapi.Post{Channel: "C1", Text: "x"}))(t)
	must(both.AuthTest(t.Context()))(t)
	want := []shownToken{{"auth.test", userCanary}, {"search.messages", userCanary}, {"chat.postMessage", userCanary}, {"auth.test", botCanary}}
	if !slices.Equal(w.all(), want) {
		t.Errorf("sent %v, want %v", w.all(), want)
	}
	if !alone.Personal() || !alone.HasUserToken() || both.Personal() || !both.AsUser().Personal() {
		t.Error("the clients do not say as whom they act")
	}
	w.say = func(string, string) string { return `{"ok":false,"error":"channel_not_found"}` }
	for client, person := range map[*slackapi.Client]bool{alone: true, both: false, both.AsUser(): true} {
		_, err := client.ConversationInfo(t.Context(), "C1")
		if e := failed(t, err, slackapi.NotFound, "channel_not_found"); e.Person != person {
			t.Errorf("of a person's client %t the failure says %t", person, e.Person)
		}
	}
}

// TestSharesOfPersons: one person has a quarter of a burst, and who waits, waits in turn.
func TestSharesOfPersons(t *testing.T) {
	t.Parallel()
	call := func(c *slackapi.Client, n int, wg *sync.WaitGroup, done func()) {
		for range n {
			wg.Go(func() {
				if _, err := c.UserList(context.Background(), "", 0); err == nil {
					done()
				}
			})
		}
	}
	person := func(t *testing.T, c *slackapi.Client, who, team string) *slackapi.Client {
		return must(c.Person(slackapi.PersonOptions{Who: who, Team: team, Token: always(annToken)}))(t).Client()
	}

	t.Run("one person leaves three quarters of a burst to others", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, at := paced(t, slackapi.Options{}, nil)
			var wg sync.WaitGroup
			for range 2 { // made twice, it is one person
				call(person(t, c, "ann", ""), 2, &wg, func() {})
			}
			wg.Wait()
			if want := []time.Duration{0, 0, 3 * time.Second, 6 * time.Second}; !slices.Equal(at(), want) {
				t.Errorf("calls at %v, want %v", at(), want)
			}
			began := time.Now()
			for range 8 {
				must(c.UserList(t.Context(), "", 0))(t)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("the bot waited %v", took)
			}
		})
	})

	t.Run("who comes last waits for one call of each of the others", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, _ := paced(t, slackapi.Options{}, nil)
			var wg sync.WaitGroup
			for range 10 {
				must(c.UserList(t.Context(), "", 0))(t) // the burst is used up
			}
			began := time.Now()
			for _, who := range []string{"ann", "bob"} {
				call(person(t, c, who, ""), 20, &wg, func() {})
			}
			synctest.Wait()
			must(person(t, c, "carla", "").UserList(t.Context(), "", 0))(t)
			if took := time.Since(began); took != 9*time.Second {
				t.Errorf("the third person waited %v, want 9 s: three calls at 20 a minute", took)
			}
			wg.Wait()
		})
	})

	t.Run("two who call much get as much", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, at := paced(t, slackapi.Options{Timeout: time.Hour}, nil)
			var wg sync.WaitGroup
			var mu sync.Mutex
			got := map[string]int{}
			for _, who := range []string{"ann", "bob"} {
				call(person(t, c, who, ""), 60, &wg, func() {
					mu.Lock()
					defer mu.Unlock()
					if got[who]++; time.Duration(got["ann"]+got["bob"]) == 60 {
						if d := got["ann"] - got["bob"]; d < -2 || d > 2 {
							t.Errorf("of sixty calls %v", got)
						}
					}
				})
			}
			wg.Wait()
			if all := at(); len(all) != 120 || all[119] > 330*time.Second {
				t.Errorf("%d calls, the last at %v", len(all), all[len(all)-1])
			}
		})
	})

	t.Run("a 429 for one holds all", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			first := true
			c, at := paced(t, slackapi.Options{}, func(*http.Request) (*http.Response, error) {
				if first {
					first = false
					return answer(429, "", "Retry-After", "7"), nil
				}
				return answer(200, `{"ok":true}`), nil
			})
			_, err := person(t, c, "ann", "").UserList(t.Context(), "", 0)
			failed(t, err, slackapi.RateLimited, "ratelimited")
			must(person(t, c, "bob", "").UserList(t.Context(), "", 0))(t)
			if got := at(); got[1] != 7*time.Second {
				t.Errorf("calls at %v", got)
			}
		})
	})

	t.Run("another workspace has limits of its own, once it is known which is ours", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, _ := paced(t, slackapi.Options{}, func(*http.Request) (*http.Response, error) { return answer(200, `{"ok":true,"team_id":"T1"}`), nil })
			spend := func(c *slackapi.Client) (took time.Duration) {
				began := time.Now()
				must(c.UserList(t.Context(), "", 0))(t)
				return time.Since(began)
			}
			for range 10 {
				spend(c)
			}
			if took := spend(person(t, c, "zoe", "T2")); took != 3*time.Second {
				t.Errorf("before it is known: waited %v", took)
			}
			must(c.AuthTest(t.Context()))(t)
			if took := spend(person(t, c, "ann", "T1")); took != 3*time.Second {
				t.Errorf("in our workspace: waited %v", took)
			}
			if took := spend(person(t, c, "zoe", "T2")); took != 0 {
				t.Errorf("in another one: waited %v", took)
			}
		})
	})
}
