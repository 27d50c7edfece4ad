package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"slackmcp/slackapi/sandbox"
	"slackmcp/test/internal/driver"
)

// The workspace of messages and events, and the larger one of channels and people, for
// which 200 of each are needed. Of the messages the newest are said while the server listens.
var (
	talk  = sandbox.GenerateOptions{Seed: 18, People: 120, Channels: 42, Messages: 3000, Days: 30}
	crowd = sandbox.GenerateOptions{Seed: 19, People: 260, Channels: 320, Messages: 0, Days: 30}
)

// measure returns the figures by the keys of the rows.
func measure(ctx context.Context, server string) (map[string]int, error) {
	count, err := newCounter()
	if err != nil {
		return nil, err
	}
	m := &measurement{counter: count, server: server, figures: map[string]int{}}
	for _, step := range []struct {
		of   sandbox.GenerateOptions
		args []string
		run  func(context.Context, *side) error
	}{
		{talk, nil, m.talk},
		{talk, []string{"--toolsets", "all"}, func(ctx context.Context, s *side) error { return m.tools(ctx, s, "tools_all") }},
		{crowd, []string{"--toolsets", "all"}, m.crowd},
	} {
		if err := m.with(ctx, step.of, step.args, step.run); err != nil {
			return nil, err
		}
	}
	return m.figures, nil
}

// A measurement collects figures.
type measurement struct {
	counter
	server  string
	figures map[string]int
}

// A side is a running server with its workspace.
type side struct {
	*driver.Process
	slack *sandbox.Sandbox
	file  *sandbox.Workspace
}

// with starts a workspace and a server that uses it, and stops them again.
func (m *measurement) with(ctx context.Context, of sandbox.GenerateOptions, args []string, run func(context.Context, *side) error) (err error) {
	file, err := sandbox.Generate(of)
	if err != nil {
		return err
	}
	// It goes through a file's JSON, as --load reads it.
	data, err := json.Marshal(file)
	if err != nil {
		return err
	}
	if file, err = sandbox.ParseWorkspace(data); err != nil {
		return err
	}
	box, err := sandbox.New(sandbox.Options{Workspace: file, SigningSecret: driver.SigningSecret})
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- box.Serve(ctx, ln) }()
	defer func() { stop(); err = errors.Join(err, <-served) }()
	env := []string{
		"SLACK_API_URL=http://" + ln.Addr().String() + "/api/", "SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken, "SLACK_USER_TOKEN=" + sandbox.DefaultUserToken,
	}
	p, err := driver.StartWith(ctx, m.server, env, append([]string{"--integrated", "--mcp-transport", "streamable-http"}, args...)...)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := box.SetRequestURL(ctx, p.Base+"/slack/events"); err != nil {
		return err
	}
	return run(ctx, &side{Process: p, slack: box, file: file})
}

// tools counts the list of tools. The server learns the scopes of its tokens soon after its
// start, so the list is read until it was the same for a second.
func (m *measurement) tools(ctx context.Context, s *side, key string) error {
	last, since := "", time.Now()
	return driver.Poll(ctx, func() error {
		n, text, err := s.list(ctx)
		if err != nil {
			return err
		}
		if text != last {
			last, since = text, time.Now()
		}
		if time.Since(since) < time.Second {
			return errors.New("the list of tools still changes")
		}
		m.figures[key+"_number"] = n
		m.figures[key], err = m.count(text)
		return err
	})
}

// list returns how many tools there are, and what a client hands to a model of them.
func (s *side) list(ctx context.Context) (int, string, error) {
	var list struct {
		Tools []struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			InputSchema json.RawMessage `json:"inputSchema"`
		} `json:"tools"`
		NextCursor string `json:"nextCursor"`
	}
	if err := s.ask(ctx, "tools/list", "", object{}, &list); err != nil {
		return 0, "", err
	}
	if list.NextCursor != "" {
		return 0, "", errors.New("tools/list has pages, which are not followed here")
	}
	text, err := minified(list.Tools)
	return len(list.Tools), text, err
}

// talk counts the default tools, messages and events.
func (m *measurement) talk(ctx context.Context, s *side) error {
	if err := m.tools(ctx, s, "tools_default"); err != nil {
		return err
	}
	if err := m.fifty(ctx, s); err != nil {
		return err
	}
	pages, err := m.pages(ctx, s, "slack_read_channel_messages", "messages", object{"channel": s.busiest()}, "messages_200")
	if err != nil {
		return err
	}
	m.figures["messages_200_pages"] = len(pages)
	for _, p := range pages {
		m.figures["messages_200_characters"] = max(m.figures["messages_200_characters"], utf8.RuneCountInString(p))
	}
	if err := s.live(120); err != nil {
		return err
	}
	if err := driver.Poll(ctx, s.delivered); err != nil {
		return err
	}
	text, err := s.call(ctx, "slack_list_events", object{"limit": 50})
	if err != nil {
		return err
	}
	if n := items(text, "events"); n != 50 {
		return fmt.Errorf("there are %d events", n)
	}
	m.figures["events_50"], err = m.count(text)
	return err
}

// delivered reports an error while an event has not been taken.
func (s *side) delivered() error {
	for _, d := range s.slack.Deliveries() {
		if d.State != sandbox.Delivered {
			return fmt.Errorf("an event of type %s is %s", d.Type, d.State)
		}
	}
	return nil
}

// fifty counts 50 messages, and the words in them.
func (m *measurement) fifty(ctx context.Context, s *side) error {
	text, err := s.call(ctx, "slack_read_channel_messages", object{"channel": s.busiest(), "limit": 50})
	if err != nil {
		return err
	}
	shown := words(text)
	if n := items(text, "messages"); n != 50 || shown == "" {
		return fmt.Errorf("the channel shows %d messages with %d bytes of words; if the result has another form now, adapt words and items", n, len(shown))
	}
	all, err := m.count(text)
	if err != nil {
		return err
	}
	inWords, err := m.count(shown)
	m.figures["messages_50"], m.figures["messages_50_words"], m.figures["messages_50_beside"] = all, inWords, (all-inWords+25)/50
	return err
}

// pages asks for 200 of what a tool lists, by its cursor where it gives fewer at once, counts
// them and returns them.
func (m *measurement) pages(ctx context.Context, s *side, tool, list string, args object, key string) ([]string, error) {
	var pages []string
	for left := 200; left > 0; {
		args["limit"] = left
		text, err := s.call(ctx, tool, args)
		if err != nil {
			return nil, err
		}
		n, err := m.count(text)
		if err != nil {
			return nil, err
		}
		m.figures[key] += n
		pages = append(pages, text)
		got := items(text, list)
		left -= got
		if args["cursor"] = nextCursor(text); got == 0 || left > 0 && args["cursor"] == "" {
			return nil, fmt.Errorf("%s ends %d too early", tool, left)
		}
	}
	return pages, nil
}

// crowd counts channels and people.
func (m *measurement) crowd(ctx context.Context, s *side) error {
	if _, err := m.pages(ctx, s, "slack_list_channels", "channels", object{}, "channels_200"); err != nil {
		return err
	}
	_, err := m.pages(ctx, s, "slack_list_users", "users", object{}, "users_200")
	return err
}

// busiest is the channel with the most messages of people that begin threads.
func (s *side) busiest() string {
	best, most := "", 0
	for _, c := range s.file.Channels {
		n := 0
		for _, m := range c.Messages {
			if m.ThreadTS == "" && m.User != "" {
				n++
			}
		}
		if n > most && slices.Contains(c.Members, sandbox.BotUser) {
			best, most = c.ID, n
		}
	}
	return best
}

// A said is a message with its channel.
type said struct {
	channel string
	sandbox.FileMessage
}

// live lets people and bots say again the newest n of what they said, in threads too, and
// react to some of it; each makes an event.
func (s *side) live(n int) error {
	all := s.sayable()
	for i, m := range all[len(all)-n:] {
		how := sandbox.Saying{ThreadTS: m.ThreadTS, Blocks: m.Blocks, Attachments: m.Attachments}
		ts, err := s.slack.PostAs(s.speaker(m.FileMessage), m.channel, m.Text, how)
		if err == nil && i%6 == 0 && m.User != "" {
			err = s.slack.ReactAs(m.User, m.channel, ts, "eyes")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sayable are the messages without files in conversations that the app is in, by their time.
func (s *side) sayable() []said {
	var all []said
	for _, c := range s.file.Channels {
		if !slices.Contains(c.Members, sandbox.BotUser) || c.Archived {
			continue
		}
		for _, m := range c.Messages {
			if len(m.Files) == 0 && m.Subtype == "" && s.speaker(m) != "" {
				all = append(all, said{c.ID, m})
			}
		}
	}
	slices.SortFunc(all, func(a, b said) int { return strings.Compare(a.TS, b.TS) })
	return all
}

// speaker is who says a message: a person, or a bot's user.
func (s *side) speaker(m sandbox.FileMessage) string {
	for _, b := range s.file.Bots {
		if b.ID == m.Bot {
			return b.User
		}
	}
	return m.User
}

type object = map[string]any

// call calls a tool and returns its result as a client hands it to a model.
func (s *side) call(ctx context.Context, tool string, args object) (string, error) {
	var res struct {
		IsError bool `json:"isError"`
		Content []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"content"`
		Structured json.RawMessage `json:"structuredContent"`
	}
	if err := s.ask(ctx, "tools/call", tool, object{"name": tool, "arguments": args}, &res); err != nil {
		return "", err
	}
	if res.IsError || len(res.Content) != 1 || res.Content[0].Type != "text" {
		return "", fmt.Errorf("%s answers %v", tool, res.Content)
	}
	if text := res.Content[0].Text; same(text, res.Structured) {
		return text, nil
	}
	return "", fmt.Errorf("%s: structuredContent and the text of content differ, so that clients hand different things to a model: count both", tool)
}

// same reports whether a text is the JSON of a value; escapes do not count, which clients undo.
func same(text string, value json.RawMessage) bool {
	var a, b any
	return json.Unmarshal([]byte(text), &a) == nil && json.Unmarshal(value, &b) == nil && reflect.DeepEqual(a, b)
}

// ask makes one request of 2026-07-28.
func (s *side) ask(ctx context.Context, method, name string, params object, into any) error {
	params["_meta"] = object{"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": object{}}
	body, err := json.Marshal(object{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Base+"/mcp", bytes.NewReader(body))
	if err != nil {
		return err
	}
	for key, v := range map[string]string{
		"Authorization": "Bearer " + driver.Token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method,
	} {
		req.Header.Set(key, v)
	}
	if name != "" {
		req.Header.Set("Mcp-Name", name)
	}
	client := &http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Error != nil {
		return fmt.Errorf("%s %s: %d: %.500s", method, name, res.StatusCode, data)
	}
	return json.Unmarshal(answer.Result, into)
}

// minified is a value as JSON, with the escapes for HTML undone, as clients do that parse
// it and write it again.
func minified(v any) (string, error) {
	b, err := json.Marshal(v)
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b)), err
}

// words are the texts of the messages of a result.
func words(result string) string {
	var r struct {
		Messages []struct {
			Text string `json:"text"`
		} `json:"messages"`
	}
	if json.Unmarshal([]byte(result), &r) != nil {
		return ""
	}
	var all []string
	for _, m := range r.Messages {
		all = append(all, m.Text)
	}
	return strings.Join(all, "\n")
}

// items is how many things a list of a result has.
func items(result, list string) int {
	var r map[string]json.RawMessage
	var all []json.RawMessage
	if json.Unmarshal([]byte(result), &r) != nil || json.Unmarshal(r[list], &all) != nil {
		return 0
	}
	return len(all)
}

func nextCursor(result string) string {
	var r struct {
		NextCursor string `json:"next_cursor"`
	}
	_ = json.Unmarshal([]byte(result), &r) // without one there are no further pages
	return r.NextCursor
}
