package tools_test

import (
	"strings"
	"testing"

	"slackmcp/mcp/internal/eventtest"
)

// administrate calls each admin tool with success, and as it must not be called.
func administrate(t *testing.T, r *rig) {
	for _, id := range []string{"EvDead1", "EvDead2", "EvDead3"} {
		r.events.Append(eventtest.Envelope(id, a{"type": "reaction_added", "user": "U1"}))
	}
	type bulk struct {
		Changed, LookedAt int64
		Complete, DryRun  bool
	}
	group := deadGroup
	r.call("slack_admin_list_groups", a{}, nil)
	var list struct {
		DeadLetters []struct {
			Attempts int
			Event    struct {
				EventID string `json:"event_id"`
			}
		} `json:"dead_letters"`
		NextCursor string `json:"next_cursor"`
	}
	r.call("slack_admin_list_dead_letters", a{"group": group, "types": "reaction_added", "limit": 2}, &list)
	if len(list.DeadLetters) != 2 || list.DeadLetters[0].Event.EventID != "EvDead1" || list.NextCursor == "" {
		t.Errorf("dead letters: %+v", list)
	}
	r.call("slack_admin_list_dead_letters", a{"group": group, "types": "reaction_added", "limit": 2, "cursor": list.NextCursor}, &list)
	if len(list.DeadLetters) != 1 || list.DeadLetters[0].Event.EventID != "EvDead3" || list.NextCursor != "" {
		t.Errorf("the next page: %+v", list)
	}
	var b bulk
	r.call("slack_admin_drop_dead_letters", a{"group": group, "types": []string{"reaction_added"}, "dry_run": true}, &b)
	if b.Changed != 3 || !b.Complete {
		t.Errorf("a rehearsed drop: %+v, want 3 changed", b)
	}
	r.call("slack_admin_redrive_dead_letters", a{"group": group, "event_ids": "EvDead1,EvDead2"}, &b)
	if b.Changed != 2 {
		t.Errorf("a redrive: %+v, want 2 changed", b)
	}
	r.call("slack_admin_drop_dead_letters", a{"group": group, "types": []string{"reaction_added"}}, &b)
	if b.Changed != 1 {
		t.Errorf("a drop: %+v, want 1 changed", b)
	}
	r.call("slack_admin_replay_events", a{"group": group, "since": "1h", "until": "2000-01-01"}, &b)
	if b.Changed != 0 {
		t.Errorf("a replay of nothing: %+v", b)
	}
	r.refuses("slack_admin_list_dead_letters", a{"group": "nobody"}, "group_not_found: ")
	for _, tool := range []string{"slack_admin_redrive_dead_letters", "slack_admin_drop_dead_letters", "slack_admin_replay_events"} {
		if said := r.fails(tool, a{"group": group}); !strings.Contains(said, "say which") {
			t.Errorf("%s without a choice: %q", tool, said)
		}
		if said := r.fails(tool, a{"group": group, "event_ids": "EvDead1", "all": true}); !strings.Contains(said, "excludes") {
			t.Errorf("%s with ids and all: %q", tool, said)
		}
	}
}
