package event

import "time"

// SourceGaps is the Source of the events in which this server tells of gaps that it
// noticed itself: times in which Slack's events may have been missed. Nobody posts them,
// and no other source may have the name. What Slack withheld it says itself, in an
// app_rate_limited of [SourceSlack].
const SourceGaps = "gaps"

// KindGap is the Kind's type of the events of [SourceGaps].
const KindGap = "gap_detected"

// A GapNotice is the body of an event of [SourceGaps]. The event's ID is the gap's, so
// that each gap is one event, whoever tells of it and how often.
type GapNotice struct {
	Type string      `json:"type"` // KindGap
	Gap  DetectedGap `json:"gap"`
}

// A DetectedGap is a gap as it was when it was noticed: From <= t < To. It may have grown
// since.
type DetectedGap struct {
	ID string `json:"id"`
	// Kind is how it was noticed: downtime, unavailable or unreachable.
	Kind      string    `json:"kind"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	NoticedAt time.Time `json:"noticed_at"`
}

// Gap returns what an event of [SourceGaps] tells; ok is false of every other.
func (e *Event) Gap() (g DetectedGap, ok bool) {
	if e.Source != SourceGaps || e.Kind.Type != KindGap {
		return g, false
	}
	n, err := Inner[GapNotice](e)
	return n.Gap, err == nil && n.Gap.ID != ""
}
