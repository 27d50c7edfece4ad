package memory_test

import (
	"testing"

	"slackmcp/store/state/memory"
	"slackmcp/store/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, statetest.Harness{
		Bubble: true,
		Place:  func(testing.TB) string { return "" },
		Open:   func(testing.TB, string) statetest.Store { return memory.New() },
	})
}
