package resources_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/names"
	"slackmcp/mcp/resources"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// everybody knows all people, by names of their ids.
type everybody struct{ view.People }

func (everybody) KnownUser(id string) (names.User, bool) {
	return names.User{ID: id, Handle: "person." + strings.ToLower(id)}, true
}

func (p everybody) Users(_ context.Context, ids []string, _ int) map[string]names.User {
	all := map[string]names.User{}
	for _, id := range ids {
		all[id], _ = p.KnownUser(id)
	}
	return all
}

func (everybody) Self(context.Context) (slackapi.Identity, error) { return slackapi.Identity{}, nil }
func (everybody) Learn(context.Context) error                     { return nil }
func (everybody) Look(context.Context, names.Wanted) int          { return 0 }
func (everybody) KnownChannel(string) (names.Channel, bool)       { return names.Channel{}, false }
func (everybody) KnownGroup(string) (slackapi.UserGroup, bool)    { return slackapi.UserGroup{}, false }
func (everybody) KnownHandle(string) (names.User, bool)           { return names.User{}, false }

// TestALegendIsOfWhatIsShown: who is mentioned only in events that had no room is not in the legend.
func TestALegendIsOfWhatIsShown(t *testing.T) {
	t.Parallel()
	log := &eventtest.Log{}
	for i := range 50 {
		text := fmt.Sprintf("<@U%03dAA> ", i) + strings.Repeat("\u00e9\" ", 240)
		log.Append(eventtest.Envelope(fmt.Sprintf("Ev%d", i), a{"type": "message", "channel": "C1AA", "user": "U900AA", "ts": fmt.Sprintf("17000000%02d.000100", i), "text": text}))
	}
	judge := view.NewJudge(view.JudgeOptions{People: everybody{}})
	set, err := resources.New(resources.Options{Events: log.Events(), Judge: func(context.Context) (*view.Judge, error) { return judge, nil }})
	if err != nil {
		t.Fatal(err)
	}
	text, err := set.Read(as(t.Context(), access.Events), "slack://events")
	var got struct {
		Events []view.Event
		People map[string]string
	}
	if err != nil || json.Unmarshal([]byte(text), &got) != nil {
		t.Fatalf("%s, %v", text, err)
	}
	if n := len(got.Events); n == 0 || n == 50 || len(got.People) != n {
		t.Errorf("%d events, and %d people whom they mention", n, len(got.People))
	}
}
