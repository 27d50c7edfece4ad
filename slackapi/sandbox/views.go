package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	triggerLife = 3 * time.Second
	maxTriggers = 1000
	maxView     = 250_000 // bytes
)

// A trigger lets the app open one modal for who acted, within three seconds.
type trigger struct {
	user  string
	until time.Time
	used  bool
}

// An openView is the modal that a person has before them.
type openView struct {
	id, user string
	blocks   json.RawMessage // as Slack keeps them
	callback string
	metadata string
	title    string
	submit   string
	notify   bool // the app wants to hear of it being closed
	hash     string
	problems map[string]string // by block, from the last submission
}

// newTrigger makes a trigger id. It requires s.mu.
func (s *Sandbox) newTrigger(u *user) string {
	now := time.Now()
	for id, t := range s.triggers {
		if now.After(t.until) || len(s.triggers) >= maxTriggers {
			delete(s.triggers, id)
		}
	}
	id := strconv.FormatInt(s.nowMicro(), 10) + "." + strconv.FormatInt(s.nowMicro()/1e6, 10) + "." + digest(32, s.newID("trigger"))
	s.triggers[id] = &trigger{user: u.ID, until: now.Add(triggerLife)}
	return id
}

// viewsOpen is views.open: a modal for the person whose act has the trigger.
func viewsOpen(c *call) (object, error) {
	t := c.triggers[c.params["trigger_id"]]
	switch {
	case t == nil:
		return nil, fail("invalid_trigger_id")
	case t.used:
		return nil, fail("exchanged_trigger_id")
	case time.Now().After(t.until):
		return nil, fail("expired_trigger_id")
	}
	v := &openView{id: c.newID("V"), user: t.user}
	if err := c.fill(v, []byte(c.params["view"])); err != nil {
		return nil, err
	}
	t.used = true
	c.modals[t.user] = v
	return object{"view": c.viewOf(v, nil)}, nil
}

// viewsUpdate is views.update: another content for a modal that is open.
func viewsUpdate(c *call) (object, error) {
	for _, v := range c.modals {
		if v.id != c.params["view_id"] {
			continue
		}
		if hash := c.params["hash"]; hash != "" && hash != v.hash {
			return nil, fail("hash_conflict")
		}
		if err := c.fill(v, []byte(c.params["view"])); err != nil {
			return nil, err
		}
		return object{"view": c.viewOf(v, nil)}, nil
	}
	return nil, fail("not_found")
}

// fill reads a view that the app gives. It requires s.mu.
func (s *Sandbox) fill(v *openView, raw []byte) error {
	var in struct {
		Type          string
		Title, Submit textJSON
		Blocks        json.RawMessage
		CallbackID    string `json:"callback_id"`
		Metadata      string `json:"private_metadata"`
		Notify        bool   `json:"notify_on_close"`
	}
	switch {
	case len(raw) > maxView:
		return fail("view_too_large")
	case json.Unmarshal(raw, &in) != nil || in.Type != "modal":
		return badArgument("invalid view [json-pointer:/view]")
	case in.Title.Text == "" || len(in.Blocks) == 0:
		return badArgument("missing required field: title, blocks [json-pointer:/view]")
	}
	v.hash = strconv.FormatInt(s.nowMicro()/1e6, 10) + "." + digest(8, s.newID("hash"))
	v.blocks, v.callback, v.metadata = storedBlocks(in.Blocks, v.hash), in.CallbackID, in.Metadata
	v.title, v.submit, v.notify, v.problems = in.Title.Text, in.Submit.Text, in.Notify, nil
	return nil
}

// viewOf is a modal as Slack describes it. It requires s.mu.
func (s *Sandbox) viewOf(v *openView, values object) object {
	if values == nil {
		values = object{}
	}
	return object{
		"id": v.id, "team_id": s.team.id, "type": "modal", "blocks": v.blocks, "private_metadata": v.metadata, "callback_id": v.callback,
		"state": object{"values": values}, "hash": v.hash, "title": object{"type": "plain_text", "text": v.title, "emoji": true},
		"clear_on_close": false, "notify_on_close": v.notify, "close": nil, "submit": object{"type": "plain_text", "text": or(v.submit, "Submit"), "emoji": true},
		"previous_view_id": nil, "root_view_id": v.id, "app_id": s.app.id, "external_id": "", "app_installed_team_id": s.team.id, "bot_id": s.app.botID,
	}
}

// A modalView is the modal that is shown.
type modalView struct {
	ID, Title, Submit string
	Blocks            []blockView
	Problems          map[string]string
}

// modal is the modal of the person who looks; nil is none.
func (l lookout) modal() *modalView {
	v := l.modals[l.me.ID]
	if v == nil {
		return nil
	}
	l.place = v.id
	return &modalView{ID: v.id, Title: v.title, Submit: v.submit, Blocks: l.blocks(v.blocks), Problems: v.problems}
}

// onModal submits or closes the person's modal, or does what a button in it says.
func (v *workspacePages) onModal(w http.ResponseWriter, r *http.Request) {
	at := spotOf(r.PostForm)
	err := errUnknownAct
	switch what, value := pressed(r); what {
	case "submit", "close":
		err = v.endModal(r.Context(), at.As, what == "submit", r.PostForm)
	case "click":
		err = v.clickInModal(r.Context(), at.As, value, r.PostForm)
	case "suggest":
		err = v.suggest(r, at, "", value)
	}
	v.done(w, r, at, err)
}

var errModalClosed = errors.New("the modal is not open any more")

// clickInModal tells the app that a person has used an element of a modal, which stays open.
func (s *Sandbox) clickInModal(ctx context.Context, person, element string, form url.Values) error {
	s.mu.Lock()
	open, u := s.modals[person], s.personNamed(person)
	if open == nil || u == nil {
		s.mu.Unlock()
		return errModalClosed
	}
	action, err := findAction(open.blocks, 0, element)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	delete(action, "options")
	action["action_ts"] = s.newTS()
	payload := s.interaction("block_actions", u)
	payload["view"] = s.viewOf(open, s.typedValues(lookout{Sandbox: s, me: u, place: open.id}.blocks(open.blocks), form, action))
	payload["container"], payload["actions"] = object{"type": "view", "view_id": open.id}, []object{action}
	s.mu.Unlock()
	return refused(s.interact(ctx, payload, ""))
}

// endModal tells the app that a person submitted or closed a modal, and does what it answers.
func (s *Sandbox) endModal(ctx context.Context, person string, submit bool, form url.Values) error {
	s.mu.Lock()
	open, u := s.modals[person], s.personNamed(person)
	if open == nil || u == nil {
		s.mu.Unlock()
		return errModalClosed
	}
	blocks := lookout{Sandbox: s, me: u, place: open.id}.blocks(open.blocks)
	values := s.typedValues(blocks, form, nil)
	if left := leftOut(blocks, values); submit && len(left) > 0 {
		open.problems = left
		s.mu.Unlock()
		s.watch.live.Changed(changedConversations)
		return nil
	}
	what := "view_submission"
	if !submit {
		what = "view_closed"
		delete(s.modals, person)
	}
	payload := s.interaction(what, u)
	payload["view"] = s.viewOf(open, values)
	payload["response_urls"] = []string{}
	s.mu.Unlock()
	defer s.watch.live.Changed(changedConversations)
	if !submit && !open.notify {
		return nil
	}
	a, err := s.interact(ctx, payload, "")
	if err := refused(a, err); err != nil || !submit {
		return err
	}
	return s.afterSubmission(person, open, a.Body)
}

// leftOut are the problems of the inputs that may not be left out, by block: Slack sends no modal that lacks one.
func leftOut(blocks []blockView, values object) map[string]string {
	left := map[string]string{}
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != "input" || b.Optional || b.Accessory == nil {
			continue
		}
		c, ok := choices[b.Accessory.Type]
		of, _ := values[b.Accessory.BlockID].(object)
		said, _ := of[b.Accessory.ActionID].(object)
		list, many := said[c.key].([]any)
		if ok && (said[c.key] == nil || many && len(list) == 0) {
			left[b.ID] = "Please complete this required field."
		}
	}
	return left
}

// typedValues are Slack's state of what was typed and chosen in blocks. Into the action, unless it is nil, goes what was chosen in
// its own element.
func (*Sandbox) typedValues(blocks []blockView, form url.Values, action object) object {
	values := object{}
	for _, e := range elementsOf(blocks) {
		key, value, ok := e.state(picked(form, e))
		if !ok {
			continue
		}
		of, _ := values[e.BlockID].(object)
		if of == nil {
			of = object{}
			values[e.BlockID] = of
		}
		of[e.ActionID] = object{"type": e.Type, key: value}
		if action["action_id"] == e.ActionID && action["block_id"] == e.BlockID {
			action[key] = value
		}
	}
	return values
}

// afterSubmission closes the modal, or shows what the app answered in its place.
func (s *Sandbox) afterSubmission(person string, open *openView, body []byte) error {
	var said struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   json.RawMessage   `json:"view"`
	}
	_ = json.Unmarshal(body, &said) // an answer that says nothing closes it
	s.mu.Lock()
	defer s.mu.Unlock()
	switch said.Action {
	case "errors":
		open.problems = said.Errors
	case "update", "push":
		return s.fill(open, said.View)
	default:
		if s.modals[person] == open {
			delete(s.modals, person)
		}
	}
	return nil
}
