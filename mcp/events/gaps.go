package events

import "slackmcp/webhook/event"

type gapArguments struct{}

func (gapArguments) filter() (event.Filter, error) { return event.Filter{}, nil }

type gapData struct {
	origin
	Reason string `json:"reason" doc:"rate_limited: Slack sent less than happened"`
	At     string `json:"at" doc:"when it began, as far as it is known"`
}

func gap(_ *gapArguments, s *seen) (gapData, bool) {
	d := gapData{Reason: "rate_limited", At: s.view.HappenedAt}
	if d.At == "" {
		d.At = s.view.ReceivedAt
	}
	d.origin = s.origin()
	return d, true
}

func otherTypes() []definition {
	return []definition{
		define("interaction.received", "Somebody used a button, a menu, a form, a shortcut or a slash command of the app.", interactions, interaction),
		define("webhook.received", "A configured webhook source other than Slack sent something.", []string{"*"}, webhook),
		define("gap.detected", "Slack said that it sent less than happened, because too much did within a minute: the rest has to be read from Slack.", []string{"app_rate_limited"}, gap),
	}
}
