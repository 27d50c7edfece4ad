package webhook

// A Source is a sender beside Slack.
type Source struct{}
