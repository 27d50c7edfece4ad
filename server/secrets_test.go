package server

import (
	"strings"
	"testing"
)

func TestSharedSecrets(t *testing.T) {
	t.Parallel()
	const a, b = "secret-number-one", "secret-number-two"
	for name, c := range map[string]struct {
		list     []signer
		warnings int
		refused  string
	}{
		"each its own":          {[]signer{{"Slack", "slack", []string{a}}, {"one", "hex", []string{b}}, {"two", "hex", nil}}, 0, ""},
		"the same scheme":       {[]signer{{"Slack", "slack", []string{a}}, {"one", "hex", []string{b}}, {"two", "hex", []string{"x", b}}}, 1, ""},
		"different schemes":     {[]signer{{"Slack", "slack", []string{a}}, {"one", "hex", []string{a}}}, 0, "one"},
		"an old one of Slack's": {[]signer{{"Slack", "slack", []string{b, a}}, {"one", "github", []string{a}}}, 0, "one"},
	} {
		warnings, err := sharedSecrets(c.list)
		if len(warnings) != c.warnings || (err != nil) != (c.refused != "") {
			t.Errorf("%s: %q, %v, want %d warnings and the error %v", name, warnings, err, c.warnings, c.refused != "")
		}
		if err != nil && (!strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), a)) {
			t.Errorf("%s: %v, want both senders named and no secret", name, err)
		}
	}
}

// TestSecretsInForce: a sender that a reload leaves out is served with its old secrets.
func TestSecretsInForce(t *testing.T) {
	t.Parallel()
	old := []signer{{"Slack", "slack", []string{"a"}}, {"one", "hex", []string{"b"}}, {"gone", "hex", []string{"c"}}}
	now := inForce(old, []signer{{"Slack", "slack", nil}, {"one", "github", []string{"a"}}})
	if _, err := sharedSecrets(now); err == nil || len(now) != 3 {
		t.Errorf("in force are %v, want Slack's and the gone one's old secrets too, of which one is shared", now)
	}
}
