package gaps

import (
	"encoding/json"
	"fmt"
	"time"

	"slackmcp/webhook/event"
)

// Notice is the event that tells of a gap, received now; see [event.SourceGaps]. Its ID is
// the gap's: a store that is given it twice keeps one.
func (g *Gap) Notice(now time.Time) (event.Event, error) {
	raw, err := json.Marshal(event.GapNotice{Type: event.KindGap, Gap: event.DetectedGap{
		ID: g.ID, Kind: string(g.Kind), From: g.From, To: g.To, NoticedAt: g.NoticedAt,
	}})
	if err != nil {
		return event.Event{}, fmt.Errorf("encode a gap: %w", err)
	}
	return event.Event{
		Source: event.SourceGaps, ID: g.ID, Kind: event.Kind{Type: event.KindGap}, Team: g.Team,
		At: g.From, ReceivedAt: now, Raw: raw,
	}, nil
}
