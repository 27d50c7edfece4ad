package names_test

import (
	"errors"
	"strings"
	"testing"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

func TestNamesInAnyForm(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{private: true, channels: 9, named: []string{"café", "general", "équipe", "equipe", "naïve", "naivé", "straße", "ＦＵＬＬ", "日本語"}}
	for name, want := range map[string]string{
		"cafe\u0301": "C000000", // decomposed
		"CAFÉ":       "C000000",
		"cafe":       "C000000", // the only one like it
		"équipe":     "C000002",
		"equipe":     "C000003", // exact, before the one like it
		"EQUIPÉ":     "",        // like two, and neither has the name
		"naive":      "",
		"STRASSE":    "C000006",
		"full":       "C000007",
		"日本語":        "C000008",
		"日本":         "none",
	} {
		id, err := newResolver(t, f).ChannelLike(t.Context(), name)
		var several *names.AmbiguousChannelError
		switch {
		case want == "":
			if !errors.As(err, &several) || len(several.Channels) != 2 || !strings.Contains(several.List(true), "(#") {
				t.Errorf("%q is %s, %v; want both to be told of", name, id, err)
			}
		case want == "none":
			if !errors.Is(err, names.ErrNoChannel) {
				t.Errorf("%q is %s, %v", name, id, err)
			}
		case id != want || err != nil:
			t.Errorf("%q is %s, %v, want %s", name, id, err, want)
		}
	}
	people := &fakeSlack{users: 6, called: []slackapi.User{
		{Name: "zoe", RealName: "Zoë Müller"},
		{Name: "jose", RealName: "José Peña"},
		{Name: "jose2", RealName: "Jose Pena"},
		{Name: "ann", RealName: "Ann Ö"},
		{Name: "ann2", RealName: "Ánn O"},
		{Name: "rené", RealName: "R"},
	}}
	for name, want := range map[string]string{
		"ZOE": "U000000", "zoe\u0308 mu\u0308ller": "U000000", "Zoe Muller": "U000000",
		"José Peña": "U000001", "jose pena": "U000002", "rene": "U000005", "Ann O": "",
	} {
		id, err := newResolver(t, people).UserLike(t.Context(), names.UserRef{Name: name})
		var several *names.AmbiguousError
		switch {
		case want == "":
			if !errors.As(err, &several) || len(several.Users) != 2 {
				t.Errorf("%q is %s, %v; want both to be told of", name, id, err)
			}
		case id != want || err != nil:
			t.Errorf("%q is %s, %v, want %s", name, id, err, want)
		}
	}
	for _, like := range []string{"cafe", "naive"} {
		if id, err := newResolver(t, f).ChannelID(t.Context(), like); !errors.Is(err, names.ErrNoChannel) {
			t.Errorf("a rule's %q is %s, %v", like, id, err)
		}
	}
	found, err := newResolver(t, f).SearchChannels(t.Context(), "NAIVE", "", 10)
	if err != nil || len(found.Items) != 2 {
		t.Errorf("a search finds %v, %v", found.Items, err)
	}
}
