package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Answer is what the app said to an interaction within Slack's three seconds.
type Answer struct {
	Attempt
	// ResponseURL is where the app may post for half an hour, five times.
	ResponseURL string `json:"response_url,omitempty"`
	Body        []byte `json:"body,omitempty"`
}

// SetInteractivityURL says where interactions and commands go; until then they go to
// the Request URL.
func (s *Sandbox) SetInteractivityURL(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interactivity = to
}

// Click lets a person press a button, or use another element, of a message: the first
// that has the action_id or the label, in its blocks or in its attachments. Without a ts it is the
// channel's newest message that has one. The payload is Slack's block_actions, or for a button or menu of
// the time before blocks, named by its name or label, Slack's interactive_message.
func (s *Sandbox) Click(ctx context.Context, person, channel, ts, actionID string) (Answer, error) {
	return s.clickWith(ctx, person, channel, ts, actionID, nil)
}

// clickWith is Click; form has what the person typed or chose in the elements of the message.
func (s *Sandbox) clickWith(ctx context.Context, person, channel, ts, actionID string, form url.Values) (Answer, error) {
	payload, responseURL, err := s.clickPayload(person, channel, ts, actionID, form)
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, payload, responseURL)
}

func (s *Sandbox) clickPayload(person, channel, ts, actionID string, form url.Values) (object, string, error) {
	var payload object
	var responseURL string
	err := s.act(person, channel, func(who actor, ch *channelRef) error {
		m, e, err := ch.clickable(ts, actionID)
		if err != nil {
			return err
		}
		l := lookout{Sandbox: s, me: who.user, place: m.TS}
		if e.legacy != nil {
			if e.action, err = l.legacyUse(&e, form); err != nil {
				return err
			}
			payload = s.legacyPayload(who, ch, m, &e)
		} else {
			payload = l.blockActions(who, ch, m, &e, form)
		}
		responseURL = s.newResponseURL(ch.channel, m, who.user)
		payload["channel"] = object{"id": ch.id, "name": or(ch.name, "directmessage")}
		payload["response_url"] = responseURL
		return nil
	})
	return payload, responseURL, err
}

// blockActions is the payload of an element of blocks.
func (l lookout) blockActions(who actor, ch *channelRef, m *message, e *usedElement, form url.Values) object {
	delete(e.action, "options")
	values := object{}
	if form != nil {
		l.attachment = e.attachment
		values = l.typedValues(l.blocks(e.blocks), form, e.action)
	}
	e.action["action_ts"] = l.newTS()
	payload := l.interaction("block_actions", who.user)
	payload["container"] = containerOf(ch.channel, m, e)
	payload["message"] = l.view(m, who)
	payload["actions"] = []object{e.action}
	payload["state"] = object{"values": values}
	return payload
}

// clickable finds a message, by its ts or as the newest, and its element.
func (ch *channelRef) clickable(ts, name string) (*message, usedElement, error) {
	if ts != "" {
		m := ch.byTS[ts]
		if m == nil {
			return nil, usedElement{}, fail("message_not_found")
		}
		e, err := m.element(name)
		return m, e, err
	}
	var newest *message
	var found usedElement
	for _, m := range ch.byTS {
		if newest != nil && m.TS < newest.TS {
			continue
		}
		if e, err := m.element(name); err == nil {
			newest, found = m, e
		}
	}
	if newest == nil {
		return nil, usedElement{}, errors.New("no message of the channel has an element " + strconv.Quote(name))
	}
	return newest, found, nil
}

// containerOf says in which message, or in which attachment of one, an element stands.
func containerOf(ch *channel, m *message, e *usedElement) object {
	c := object{"type": "message", "message_ts": m.TS, "channel_id": ch.id, "is_ephemeral": false}
	if e.attachment != 0 {
		c["type"], c["attachment_id"], c["is_app_unfurl"] = "message_attachment", e.attachment, false
	}
	if m.ThreadTS != "" {
		c["thread_ts"] = m.ThreadTS
	}
	return c
}

// refOf names an element of blocks in the forms of pages: its action_id is its own within its block alone.
func refOf(attachment int, block, action string) string {
	if attachment != 0 {
		return fmt.Sprintf("attachment:%d:%s:%s", attachment, block, action)
	}
	return block + ":" + action
}

// findAction finds the element with an action_id, a label, or the name that pages give it, in the blocks of a message
// (attachment is 0) or of an attachment, and makes of it what Slack sends.
func findAction(blocks json.RawMessage, attachment int, element string) (object, error) {
	var all []struct {
		BlockID   string   `json:"block_id"`
		Elements  []object `json:"elements"`
		Accessory object   `json:"accessory"`
	}
	if blocks != nil {
		if err := json.Unmarshal(blocks, &all); err != nil {
			return nil, fail("invalid_blocks")
		}
	}
	for i, b := range all {
		for _, e := range append(b.Elements, b.Accessory) {
			id, _ := e["action_id"].(string)
			if e != nil && slices.Contains([]string{id, labelOf(e), refOf(attachment, b.BlockID, id)}, element) {
				return actionOf(e, or(b.BlockID, "b"+strconv.Itoa(i))), nil
			}
		}
	}
	return nil, errors.New("the message has no element with the action_id or the label " + strconv.Quote(element))
}

func labelOf(element object) string {
	text, _ := element["text"].(object)
	label, _ := text["text"].(string)
	return label
}

func actionOf(element object, block string) object {
	action := object{"block_id": block}
	for _, key := range []string{"type", "action_id", "text", "value", "style", "selected_option", "options"} {
		if v, ok := element[key]; ok {
			action[key] = v
		}
	}
	return action
}

// interaction is what all interactive payloads have in common.
func (s *Sandbox) interaction(what string, u *user) object {
	var enterprise object
	if s.opt.Organization != "" {
		enterprise = object{"id": s.opt.Organization, "name": s.team.name}
	}
	return object{
		"type": what, "token": s.app.verification, "api_app_id": s.app.id, "is_enterprise_install": enterprise != nil, "enterprise": enterprise,
		"team":       object{"id": s.team.id, "domain": s.team.domain},
		"user":       object{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": s.teamOf(u)},
		"trigger_id": s.newTrigger(u),
	}
}

// interact sends a payload as Slack does: a form with one field, or an envelope.
func (s *Sandbox) interact(ctx context.Context, payload object, responseURL string) (Answer, error) {
	raw, err := json.Marshal(payload)
	if err != nil {
		return Answer{}, fmt.Errorf("sandbox: encode payload: %w", err)
	}
	var a Answer
	if s.sockets.enabled() {
		a = s.sendEnvelope(ctx, "interactive", raw, responseURL)
	} else {
		a, err = s.sendForm(ctx, url.Values{"payload": {string(raw)}}, responseURL)
	}
	if err == nil {
		what, _ := payload["type"].(string)
		u, _ := payload["user"].(object)
		who, _ := u["id"].(string)
		s.saw(what, who, a)
	}
	return a, err
}

// Slash lets a person use a slash command in a channel.
func (s *Sandbox) Slash(ctx context.Context, person, channel, command, text string) (Answer, error) {
	form := url.Values{}
	responseURL := ""
	err := s.act(person, channel, func(who actor, ch *channelRef) error {
		if !ch.has(who.user.ID) {
			return fail("not_in_channel")
		}
		name := ch.name
		if ch.kind == direct {
			name = "directmessage"
		}
		responseURL = s.newResponseURL(ch.channel, nil, who.user)
		for key, v := range map[string]string{
			"token": s.app.verification, "team_id": s.team.id, "team_domain": s.team.domain, "channel_id": ch.id, "channel_name": name,
			"user_id": who.user.ID, "user_name": who.user.Name, "command": "/" + strings.TrimPrefix(command, "/"), "text": text,
			"api_app_id": s.app.id, "is_enterprise_install": strconv.FormatBool(s.opt.Organization != ""), "response_url": responseURL,
			"trigger_id": s.interaction("", who.user)["trigger_id"].(string),
		} {
			form.Set(key, v)
		}
		if s.opt.Organization != "" {
			form.Set("enterprise_id", s.opt.Organization)
			form.Set("enterprise_name", s.team.name)
		}
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	a, err := s.sendCommand(ctx, form, responseURL)
	if err == nil {
		s.saw(form.Get("command"), form.Get("user_id"), a)
	}
	return a, err
}

func (s *Sandbox) sendCommand(ctx context.Context, form url.Values, responseURL string) (Answer, error) {
	if !s.sockets.enabled() {
		return s.sendForm(ctx, form, responseURL)
	}
	fields := map[string]string{}
	for key := range form {
		fields[key] = form.Get(key)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return Answer{}, fmt.Errorf("sandbox: encode command: %w", err)
	}
	return s.sendEnvelope(ctx, "slash_commands", raw, responseURL), nil
}

func (s *Sandbox) sendEnvelope(ctx context.Context, what string, payload json.RawMessage, responseURL string) Answer {
	a := s.sockets.request(ctx, s.opt.AnswerWithin, what, payload, 0, "")
	return Answer{Attempt: a.attempt, ResponseURL: responseURL, Body: a.body}
}

func (s *Sandbox) sendForm(ctx context.Context, form url.Values, responseURL string) (Answer, error) {
	s.mu.Lock()
	to := s.interactivity
	s.mu.Unlock()
	if to = or(to, s.RequestURL()); to == "" {
		return Answer{}, errors.New("sandbox: nobody to tell: set a request URL or an interactivity URL")
	}
	a := s.sender.post(ctx, to, []byte(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	return Answer{Attempt: a.attempt, ResponseURL: responseURL, Body: a.body}, nil
}

const (
	responseUses = 5
	responseLife = 30 * time.Minute
	maxResponses = 1000
)

// A responseURL is a place where the app may post for a while.
type responseURL struct {
	channel *channel
	message *message // that the interaction was on; nil for a command
	user    *user
	left    int
	until   time.Time
}

func (s *Sandbox) newResponseURL(ch *channel, m *message, u *user) string {
	secret := digest(24, s.newID("response"), s.opt.SigningSecret)
	for old, r := range s.responses {
		if r.left == 0 || time.Now().After(r.until) || len(s.responses) >= maxResponses {
			delete(s.responses, old)
		}
	}
	s.responses[secret] = &responseURL{channel: ch, message: m, user: u, left: responseUses, until: time.Now().Add(responseLife)}
	return s.base + "/actions/" + s.team.id + "/" + secret
}

// serveResponse takes what the app posts to a response URL.
func (s *Sandbox) serveResponse(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Text            string          `json:"text"`
		Blocks          json.RawMessage `json:"blocks"`
		ResponseType    string          `json:"response_type"`
		ThreadTS        string          `json:"thread_ts"`
		ReplaceOriginal any             `json:"replace_original"`
		DeleteOriginal  any             `json:"delete_original"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl)).Decode(&in); err != nil {
		reply(w, http.StatusBadRequest, object{"ok": false, "error": "invalid_payload"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	view := s.responses[r.PathValue("secret")]
	if view == nil || view.left == 0 || time.Now().After(view.until) {
		reply(w, http.StatusNotFound, object{"ok": false, "error": "used_url"})
		return
	}
	view.left--
	d := draft{text: in.Text, blocks: in.Blocks, threadTS: in.ThreadTS}
	bot := actor{kind: botToken, user: s.users.byID[s.app.botUser]}
	switch {
	case yes(in.DeleteOriginal) && view.message != nil:
		s.erase(view.channel, view.message)
	case d.check() != nil:
		reply(w, http.StatusBadRequest, object{"ok": false, "error": "no_text"})
		return
	case yes(in.ReplaceOriginal) && view.message != nil:
		s.edit(view.channel, view.message, d, bot.user)
	case in.ResponseType == "in_channel":
		m := s.compose(bot, d)
		if root := view.channel.byTS[d.threadTS]; root != nil {
			s.thread(view.channel, root, m, false)
		}
		view.channel.add(m)
		s.messageEvent(view.channel, m)
	default:
		s.whisper(Ephemeral{Channel: view.channel.id, User: view.user.ID, Text: normalise(in.Text), TS: s.newTS()})
	}
	s.watch.live.Changed(changedConversations)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok")) // the client may be gone
}

// yes reads a flag that apps write as true or as "true".
func yes(v any) bool { return v == true || v == "true" }

// whisper remembers a message for one person.
func (s *Sandbox) whisper(e Ephemeral) {
	s.ephemerals = append(s.ephemerals, e)
	if len(s.ephemerals) > maxEphemerals {
		s.ephemerals = slices.Delete(s.ephemerals, 0, 1)
	}
}

// Shortcut lets a person use a global shortcut of the app.
func (s *Sandbox) Shortcut(ctx context.Context, person, callbackID string) (Answer, error) {
	return s.interactAs(ctx, person, "shortcut", func(payload object) {
		payload["callback_id"], payload["action_ts"] = callbackID, s.newTS()
	})
}

// SubmitView lets a person submit a modal of the app: its callback_id, what was put
// into it (the "values" of Slack's view state, as JSON), and its private_metadata.
func (s *Sandbox) SubmitView(ctx context.Context, person, callbackID string, values json.RawMessage, metadata string) (Answer, error) {
	if len(values) == 0 {
		values = json.RawMessage("{}")
	}
	if !json.Valid(values) {
		return Answer{}, errors.New("sandbox: values is not JSON")
	}
	return s.interactAs(ctx, person, "view_submission", func(payload object) {
		payload["view"] = s.modal(callbackID, metadata, values)
		payload["response_urls"] = []string{}
	})
}

// CloseView lets a person close a modal of the app that asked for an event of that.
func (s *Sandbox) CloseView(ctx context.Context, person, callbackID, metadata string) (Answer, error) {
	return s.interactAs(ctx, person, "view_closed", func(payload object) {
		delete(payload, "trigger_id") // nothing can be opened in answer
		payload["view"] = s.modal(callbackID, metadata, json.RawMessage("{}"))
		payload["is_cleared"] = false
	})
}

// interactAs lets a person interact; fill adds to the payload what the kind has, while
// the workspace is locked.
func (s *Sandbox) interactAs(ctx context.Context, person, what string, fill func(payload object)) (Answer, error) {
	s.mu.Lock()
	u := s.personNamed(person)
	if u == nil {
		s.mu.Unlock()
		return Answer{}, fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	payload := s.interaction(what, u)
	fill(payload)
	s.mu.Unlock()
	return s.interact(ctx, payload, "")
}

// modal is a view of the app. It requires s.mu.
func (s *Sandbox) modal(callbackID, metadata string, values json.RawMessage) object {
	id := s.newID("V")
	return object{
		"id": id, "team_id": s.team.id, "type": "modal", "blocks": []object{}, "private_metadata": metadata, "callback_id": callbackID,
		"state": object{"values": values}, "hash": strconv.FormatInt(s.nowMicro()/1e6, 10) + "." + digest(8, id),
		"title": object{"type": "plain_text", "text": "Sandbox", "emoji": true}, "clear_on_close": false, "notify_on_close": false,
		"close": nil, "submit": object{"type": "plain_text", "text": "Submit", "emoji": true}, "previous_view_id": nil,
		"root_view_id": id, "app_id": s.app.id, "external_id": "", "app_installed_team_id": s.team.id, "bot_id": s.app.botID,
	}
}

// MessageShortcut lets a person use a shortcut of the app on a message.
func (s *Sandbox) MessageShortcut(ctx context.Context, person, channel, ts, callbackID string) (Answer, error) {
	var payload object
	var responseURL string
	err := s.act(person, channel, func(who actor, ch *channelRef) error {
		m := ch.byTS[ts]
		if m == nil {
			return fail("message_not_found")
		}
		responseURL = s.newResponseURL(ch.channel, m, who.user)
		payload = s.interaction("message_action", who.user)
		payload["callback_id"], payload["action_ts"], payload["message_ts"] = callbackID, s.newTS(), m.TS
		payload["channel"] = object{"id": ch.id, "name": or(ch.name, "directmessage")}
		payload["message"], payload["response_url"] = s.view(m, who), responseURL
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, payload, responseURL)
}

// Suggest lets a person type into a menu of a message whose options the app provides.
// What the app offers is the answer's body. The payload is Slack's block_suggestion.
func (s *Sandbox) Suggest(ctx context.Context, person, channel, ts, actionID, typed string) (Answer, error) {
	var payload object
	err := s.act(person, channel, func(who actor, ch *channelRef) error {
		m := ch.byTS[ts]
		if m == nil {
			return fail("message_not_found")
		}
		e, err := m.element(actionID)
		if err != nil {
			return err
		}
		if e.legacy != nil {
			return errors.New("the sandbox does not ask for the options of menus of the time before blocks")
		}
		payload = s.interaction("block_suggestion", who.user)
		delete(payload, "trigger_id") // a suggestion opens nothing
		payload["action_id"], payload["block_id"], payload["value"] = actionID, e.action["block_id"], typed
		payload["container"] = containerOf(ch.channel, m, &e)
		payload["channel"] = object{"id": ch.id, "name": or(ch.name, "directmessage")}
		payload["message"] = s.view(m, who)
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, payload, "")
}
