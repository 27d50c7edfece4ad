package memory_test

import (
	"testing"

	"slackmcp/store/state/memory"
	"slackmcp/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.RunState(t, storetest.StateHarness{
		Bubble: true,
		Place:  func(testing.TB) string { return "" },
		Open:   func(testing.TB, string) storetest.StateStore { return memory.New() },
	})
}
