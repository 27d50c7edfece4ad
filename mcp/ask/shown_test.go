package ask

import (
	"encoding/json"
	"testing"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	const asked = `[{"type":"section","block_id":"q","text":{"type":"mrkdwn","text":"A &amp; B &lt;x&gt; <https://x.example/?a=1&amp;b=2|l> <@U1>","verbatim":false}},` +
		`{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"1","value":"v","text":{"type":"plain_text","text":"Yes &amp; no","emoji":true}}]}]`
	of := func(blocks string) string {
		t.Helper()
		f, err := (&shownMessage{Blocks: json.RawMessage(blocks)}).fingerprint()
		if err != nil {
			t.Fatalf("%v: %s", err, blocks)
		}
		return f
	}
	want := of(asked)
	for _, same := range []string{
		`[{"block_id":"q","type":"section","text":{"text":"A & B &lt;x&gt; <https://x.example/?a=1&b=2|l> <@U1> ","type":"mrkdwn"},"fields":null},` +
			`{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"1","value":"v","text":{"type":"plain_text","text":"Yes & no "}}]}]`,
	} {
		if of(same) != want {
			t.Errorf("not the same as what was asked: %s", same)
		}
	}
	for name, other := range map[string]string{
		"markup in place of an escape": `[{"type":"section","block_id":"q","text":{"type":"mrkdwn","text":"A &amp; B <x> <https://x.example/?a=1&amp;b=2|l> <@U1>"}},{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"1","value":"v","text":{"type":"plain_text","text":"Yes &amp; no"}}]}]`,
		"another type of text":         `[{"type":"section","block_id":"q","text":{"type":"plain_text","text":"A &amp; B &lt;x&gt; <https://x.example/?a=1&amp;b=2|l> <@U1>"}},{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"1","value":"v","text":{"type":"plain_text","text":"Yes &amp; no"}}]}]`,
		"one block less":               `[{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"1","value":"v","text":{"type":"plain_text","text":"Yes &amp; no"}}]}]`,
	} {
		if of(other) == want {
			t.Errorf("%s passes as what was asked", name)
		}
	}
	for _, m := range []shownMessage{
		{},
		{Blocks: json.RawMessage(`[]`)},
		{Blocks: json.RawMessage(`{}`)},
		{Blocks: json.RawMessage(asked), Edited: json.RawMessage(`{"user":"U1"}`)},
		{Blocks: json.RawMessage(asked), Files: json.RawMessage(`[{"id":"F1"}]`)},
		{Blocks: json.RawMessage(asked), Attachments: json.RawMessage(`[{"id":1}]`)},
	} {
		if f, err := m.fingerprint(); err == nil {
			t.Errorf("%+v is a question: %s", m, f)
		}
	}
}
