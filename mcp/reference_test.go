package mcp_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"slackmcp/mcp"
	"slackmcp/mcp/tools"
)

//go:generate go test -run ^TestReference$ . -update

func TestReference(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := mcp.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	catalog, err := tools.Describe()
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range catalog.Tools() {
		if !strings.Contains(b.String(), "### "+tool.Name+"\n") {
			t.Errorf("%s is not in the reference", tool.Name)
		}
	}
	const path = "../docs/tools.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Error("docs/tools.md is stale: run go generate ./mcp")
	}
}
