package events

import (
	"cmp"
	"time"

	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// rateLimited is Slack's own notice that it withheld events of a minute.
const rateLimited = "app_rate_limited"

type gapArguments struct{}

func (gapArguments) filter() (event.Filter, error) { return event.Filter{}, nil }

type gapData struct {
	origin
	Reason  string `json:"reason" doc:"rate_limited: Slack sent less than happened; downtime: no server was there; unavailable: the server could store nothing; unreachable: something in front of the server was in the way"`
	At      string `json:"at" doc:"when it began, as far as it is known"`
	From    string `json:"from,omitempty" doc:"events may have been missed from then on"`
	To      string `json:"to,omitempty" doc:"until then, as it was noticed; gaps_uri says whether it grew"`
	GapID   string `json:"gap_id,omitempty" doc:"the gap's id in gaps_uri; absent where only Slack told of it"`
	GapsURI string `json:"gaps_uri" doc:"resource with all gaps, and whether they were filled"`
}

func gap(_ *gapArguments, s *seen) (gapData, bool) {
	d := gapData{GapsURI: view.GapsURI}
	var from, to time.Time
	switch g, ok := s.Gap(); {
	case ok:
		d.Reason, d.GapID, from, to = s.id(g.Kind), s.id(g.ID), g.From, g.To
	case s.Source == event.SourceSlack && s.Kind.Type == rateLimited:
		d.Reason = "rate_limited"
		if !s.At.IsZero() {
			from, to = s.At, s.At.Add(time.Minute)
		}
	default:
		return d, false
	}
	d.From, d.To = view.Time(from), view.Time(to)
	d.At = cmp.Or(d.From, s.view.ReceivedAt)
	d.origin = s.origin()
	return d, true
}

func otherTypes() []definition {
	return []definition{
		define("interaction.received", "Somebody used a button, a menu, a form, a shortcut or a slash command of the app.", interactions, interaction),
		define("webhook.received", "A configured webhook source other than Slack sent something.", []string{"*"}, webhook),
		define("gap.detected", "Events of Slack's may have been missed: Slack sent less than happened, or for a while nothing could be received. What was said then has to be read from Slack.", []string{rateLimited, event.KindGap}, gap),
	}
}
