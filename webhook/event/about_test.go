package event_test

import (
	"testing"

	"slackmcp/webhook/event"
)

// TestWhereAndByWhom: of each event whose fields Slack writes otherwise than in most, the
// conversation, the person who did it, and the thread in which an answer belongs.
func TestWhereAndByWhom(t *testing.T) {
	t.Parallel()
	const C, U, ts = "C0GENERAL1", "U0INSIDE01", "1763990000.000100"
	for name, tc := range map[string]struct{ inner, channel, user, thread string }{
		"a pin":                     {`{"type":"pin_added","user":"U0INSIDE01","channel_id":"C0GENERAL1","item":{"type":"message","channel":"C0GENERAL1","message":{"user":"U0INSIDE02","ts":"1763990000.000100"}}}`, C, U, ts},
		"a pin in a thread":         {`{"type":"pin_removed","user":"U0INSIDE01","channel_id":"C0GENERAL1","item":{"type":"message","message":{"ts":"1763990009.000100","thread_ts":"1763990000.000100"}}}`, C, U, ts},
		"a star":                    {`{"type":"star_added","user":"U0INSIDE01","item":{"type":"message","channel":"C0GENERAL1","message":{"ts":"1763990000.000100"}}}`, C, U, ts},
		"a reaction":                {`{"type":"reaction_added","user":"U0INSIDE01","item":{"type":"message","channel":"C0GENERAL1","ts":"1763990000.000100"}}`, C, U, ts},
		"a pinned file":             {`{"type":"pin_added","user":"U0INSIDE01","channel_id":"C0GENERAL1","item":{"type":"file","file_id":"F1"}}`, C, U, ""},
		"a link":                    {`{"type":"link_shared","channel":"C0GENERAL1","user":"U0INSIDE01","message_ts":"1763990000.000100","links":[]}`, C, U, ts},
		"a link in the composer":    {`{"type":"link_shared","channel":"COMPOSER","user":"U0INSIDE01","message_ts":"U0INSIDE01-1f-2e","links":[]}`, "COMPOSER", U, ""},
		"a new channel":             {`{"type":"channel_created","channel":{"id":"C0GENERAL1","creator":"U0INSIDE01"}}`, C, U, ""},
		"a deleted channel":         {`{"type":"channel_deleted","channel":"C0GENERAL1","actor_id":"U0INSIDE01"}`, C, U, ""},
		"a channel's new id":        {`{"type":"channel_id_changed","old_channel_id":"G1","new_channel_id":"C0GENERAL1"}`, C, "", ""},
		"a new group":               {`{"type":"subteam_created","subteam":{"id":"S1","created_by":"U0INSIDE01"}}`, "", U, ""},
		"a changed group":           {`{"type":"subteam_updated","subteam":{"id":"S1","created_by":"U2","updated_by":"U0INSIDE01"}}`, "", U, ""},
		"an accepted invitation":    {`{"type":"shared_channel_invite_accepted","channel":{"id":"C0GENERAL1"},"invite":{"inviting_user":{"id":"U2"}},"accepting_user":{"id":"U0INSIDE01"}}`, C, U, ""},
		"an approved invitation":    {`{"type":"shared_channel_invite_approved","channel":{"id":"C0GENERAL1"},"invite":{"inviting_user":{"id":"U2"}},"approving_user":{"id":"U0INSIDE01"}}`, C, U, ""},
		"a declined invitation":     {`{"type":"shared_channel_invite_declined","channel":{"id":"C0GENERAL1"},"declining_user":{"id":"U0INSIDE01"}}`, C, U, ""},
		"a received invitation":     {`{"type":"shared_channel_invite_received","channel":{"id":"C0GENERAL1"},"invite":{"inviting_user":{"id":"U0INSIDE01"}}}`, C, U, ""},
		"a requested invitation":    {`{"type":"shared_channel_invite_requested","channel_id":"C0GENERAL1","actor":{"id":"U0INSIDE01"}}`, C, U, ""},
		"a requested app":           {`{"type":"app_requested","app_request":{"user":{"id":"U0INSIDE01"}}}`, "", U, ""},
		"a request to invite":       {`{"type":"invite_requested","invite_request":{"requester_ids":["U0INSIDE01"]}}`, "", U, ""},
		"metadata":                  {`{"type":"message_metadata_posted","channel_id":"C0GENERAL1","user_id":"U0INSIDE01","message_ts":"1763990000.000100"}`, C, U, ts},
		"details of a linked thing": {`{"type":"entity_details_requested","channel":"C0GENERAL1","user":"U0INSIDE01","message_ts":"1763990009.000100","thread_ts":"1763990000.000100"}`, C, U, ts},
	} {
		env, err := event.DecodeSlack([]byte(`{"type":"event_callback","event":`+tc.inner+`}`), event.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if env.Channel != tc.channel || env.User != tc.user || env.Thread != tc.thread {
			t.Errorf("%s: channel %q, user %q, thread %q", name, env.Channel, env.User, env.Thread)
		}
	}
}
