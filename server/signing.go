package server

import (
	"cmp"
	"fmt"
	"strings"

	"slackmcp/config"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// A Signing is how the sender of a route signs, for whoever plays that sender.
type Signing struct {
	Scheme signature.Scheme
	Secret string
	// URL is the address that the sender knows, where it signs one; "" is the one that is posted to.
	URL string
}

// RouteOf is the route that the events of a source come by; "" for those that no sender posts.
func RouteOf(source string) string {
	switch source {
	case event.SourceSlack:
		return webhook.SlackPath
	case event.SourceReceipts:
		return webhook.ReceiptPath
	case event.SourceGaps:
		return ""
	}
	return webhook.SourcePath + source
}

// SigningOf finds how the sender of a route signs, with the first of its secrets: that of a source's
// route, of the receipts' or, for every other path, Slack's. The error is a *config.Error.
func SigningOf(c config.Config, path string) (Signing, error) {
	missing := func(setting string) error {
		return &config.Error{Problems: []config.Problem{{
			Setting: setting, What: "is missing, and signs what goes to " + path, Remedy: "set it to the secret of the server that you send to",
		}}}
	}
	name, further := strings.CutPrefix(path, webhook.SourcePath)
	switch {
	case further:
		return signingOfSource(c, name, missing)
	case path == webhook.ReceiptPath:
		if !c.Senders.Webhook.IsSet() {
			return Signing{}, missing("WEBHOOK_SECRET")
		}
		s := Signing{Scheme: signature.Bearer, Secret: c.Senders.Webhook.Reveal(), URL: publicURL(c, path)}
		if p := receiptProvider(c); p != "" {
			from, err := provider.Find(p)
			if err != nil {
				return s, err
			}
			s.Scheme = from.Scheme
		}
		return s, nil
	case c.Sandbox && !c.Slack.SigningSecrets.IsSet():
		return Signing{Scheme: signature.SlackV0, Secret: sandbox.DefaultSigningSecret}, nil
	case !c.Slack.SigningSecrets.IsSet():
		return Signing{}, missing("SLACK_SIGNING_SECRET")
	}
	return Signing{Scheme: signature.SlackV0, Secret: c.Slack.SigningSecrets[0].Reveal()}, nil
}

func signingOfSource(c config.Config, name string, missing func(string) error) (Signing, error) {
	var further []webhook.Source
	var problem error
	if c.Senders.SourcesFile != "" {
		further, problem = parseSources(c, c.Senders.SourcesFile, env(c))
	}
	for _, s := range withFurther(c, further) {
		if s.Name != name {
			continue
		}
		scheme, err := s.Signing()
		if err != nil {
			return Signing{}, err
		}
		if len(s.Secrets) > 0 {
			return Signing{Scheme: scheme, Secret: s.Secrets[0], URL: cmp.Or(s.URL, publicURL(c, webhook.SourcePath+name))}, nil
		}
		if !signature.NeedsSecret(scheme) {
			return Signing{}, fmt.Errorf("source %s: only the sender has the key that signs as %s: post a delivery of its own", name, scheme.Name())
		}
	}
	switch {
	case problem != nil:
		return Signing{}, &config.Error{Problems: problemsOf("SOURCES_FILE", problem)}
	case name == sourceContact:
		return Signing{}, missing("CONTACT_WEBHOOK_SECRET")
	case name == sourceStripe:
		return Signing{}, missing("STRIPE_WEBHOOK_SECRET")
	}
	return Signing{}, &config.Error{Problems: []config.Problem{{
		Setting: "SOURCES_FILE", What: "has no source " + name, Remedy: "describe it there, or post to the route of another",
	}}}
}

// publicURL is a route's address as senders know it; "" when that is not configured.
func publicURL(c config.Config, path string) string {
	if c.Listen.PublicURL == "" {
		return ""
	}
	return strings.TrimSuffix(c.Listen.PublicURL, "/") + path
}
