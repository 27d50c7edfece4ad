package view_test

import (
	"encoding/json"
	"testing"

	"slackmcp/mcp/view"
)

func TestTheMarkCannotBeForgotten(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(struct {
		view.Mark
		Note string `json:"note"`
	}{Note: "n"})
	if err != nil || string(b) != `{"untrusted":true,"note":"n"}` {
		t.Errorf("a result is written as %s, %v", b, err)
	}
}

func TestProvenanceStandsWhereTheAuthorIsNoPlainColleague(t *testing.T) {
	t.Parallel()
	plain := view.Provenance{Author: "U1AA", Kind: view.KindPerson, SameTeam: true, Verified: true}
	for name, change := range map[string]func(*view.Provenance){
		"external":   func(p *view.Provenance) { p.External, p.SameTeam = true, false },
		"of nowhere": func(p *view.Provenance) { p.SameTeam = false },
		"guest":      func(p *view.Provenance) { p.Guest = true },
		"unverified": func(p *view.Provenance) { p.Verified = false },
		"bot":        func(p *view.Provenance) { p.Kind = view.KindBot },
		"ourselves":  func(p *view.Provenance) { p.Kind = view.KindSelf },
		"system":     func(p *view.Provenance) { p.Kind = view.KindSystem },
		"service":    func(p *view.Provenance) { p.Kind = view.KindService },
		"assistant":  func(p *view.Provenance) { p.Kind = view.KindAssistant },
		"unknown":    func(p *view.Provenance) { p.Kind = view.KindUnknown },
	} {
		p := plain
		change(&p)
		if p.IsZero() {
			t.Errorf("%s: the provenance is left out", name)
		}
	}
	b, err := json.Marshal(view.Message{TS: "1.000100", User: "U1AA", Text: "hello", Provenance: plain})
	if err != nil || string(b) != `{"ts":"1.000100","user":"U1AA","text":"hello"}` {
		t.Errorf("a colleague's message is written as %s, %v", b, err)
	}
}
