package server

import (
	"testing"
	"time"

	"slackmcp/server/metrics"
	"slackmcp/webhook"
)

// TestReceivingPaysForNothingThatIsOff holds what is told of a delivery, without a trail
// and a collector: no allocation.
func TestReceivingPaysForNothingThatIsOff(t *testing.T) {
	h := &hooks{metrics: metrics.New(metrics.Options{Sources: []string{"slack"}})}
	observe := h.received(nil)
	o := &webhook.Observation{Source: "slack", Outcome: webhook.Accepted, Status: 200, ID: "Ev1", Secret: 1, Tries: 1, Duration: time.Millisecond}
	if n := testing.AllocsPerRun(1000, func() { observe(o) }); n != 0 {
		t.Errorf("%v allocations for each delivery, want none", n)
	}
	if h.enterHandler() != nil || h.enterTool() != nil {
		t.Error("spans are begun without a collector")
	}
}
