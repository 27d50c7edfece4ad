package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newVersion says which build this is.
func newVersion(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version [--json]",
		Short: "Print the version",
		Example: `  slack-webhook-server version

  slack-webhook-server version --json`,
		Args: atMost(0),
	}
	asJSON := cmd.Flags().Bool("json", false, "Print one JSON object")
	cmd.RunE = func(*cobra.Command, []string) error {
		b := build{Version: w.version, Revision: revision(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
		if *asJSON {
			return json.NewEncoder(w.stdout).Encode(b)
		}
		_, err := fmt.Fprintf(w.stdout, "%s %s (%s, %s/%s)\n", program, b.Version, b.Go, b.OS, b.Arch)
		return err
	}
	return cmd
}

type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// revision is the commit that the build was made from, where Go recorded it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
