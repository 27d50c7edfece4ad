package server

import (
	"strings"
	"testing"

	"slackmcp/config"
)

func TestEphemeral(t *testing.T) {
	dir := t.TempDir()
	for platform, want := range map[config.Platform]string{
		"": "", config.CloudRun: "Cloud Run", config.Heroku: "Heroku", config.LambdaHost: "Lambda",
	} {
		if got := ephemeral(platform, dir); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("ephemeral(%q) = %q, want it to name %q", platform, got, want)
		}
	}
	// Whether this machine's directory is a volume is not known; a missing one is none.
	if got := ephemeral(config.Kubernetes, dir+"/missing"); got != "" {
		t.Errorf("a directory that cannot be looked at: %q", got)
	}
}
