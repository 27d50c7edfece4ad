package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

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

// CloseView lets a person close a modal of the app that asked to be told of it.
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
		action, err := findAction(m.Blocks, actionID)
		if err != nil {
			return err
		}
		payload = s.interaction("block_suggestion", who.user)
		delete(payload, "trigger_id") // a suggestion opens nothing
		payload["action_id"], payload["block_id"], payload["value"] = actionID, action["block_id"], typed
		payload["container"] = containerOf(ch.channel, m)
		payload["channel"] = object{"id": ch.id, "name": or(ch.name, "directmessage")}
		payload["message"] = s.view(m, who)
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, payload, "")
}
