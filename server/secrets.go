package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"slackmcp/config"
	"slackmcp/webhook"
	"slackmcp/webhook/signature"
)

// A signer is a sender of events as its signatures show it.
type signer struct {
	name, scheme string
	secrets      []string
}

// sourcePrefix is what stands before the name of a source.
const sourcePrefix = "source "

// signers lists the senders with their secrets.
func signers(cfg config.Config, slackSecrets []string, others []webhook.Source) []signer {
	list := []signer{
		{"Slack (SLACK_SIGNING_SECRET)", signature.SlackV0.Name(), slackSecrets},
		{"the delivery receipts (WEBHOOK_SECRET)", cmp.Or(receiptProvider(cfg), signature.Bearer.Name()), one(cfg.Senders.Webhook)},
	}
	for _, s := range others {
		list = append(list, signer{sourcePrefix + s.Name, signedAs(s), s.Secrets})
	}
	return list
}

// signedAs names how a source signs: by its provider or its scheme.
func signedAs(s webhook.Source) string {
	switch {
	case s.Provider != "":
		return s.Provider
	case s.Scheme != nil:
		return s.Scheme.Name()
	}
	return signature.HexHeader("").Name()
}

// sharedSecrets finds secrets that two senders have. Where they sign in the same way each can
// sign for the other, which is a warning. Where they do not, what one of them signs may be a
// signature of the other one, too, so that who can choose a body of the one forges deliveries of the other:
// that is an error.
func sharedSecrets(list []signer) (warnings []string, err error) {
	var problems []config.Problem
	for i, a := range list {
		for _, b := range list[i+1:] {
			if !overlap(a.secrets, b.secrets) {
				continue
			}
			if a.scheme == b.scheme {
				warnings = append(warnings, fmt.Sprintf("%s and %s have the same secret, so that each can sign for the other: give each its own", a.name, b.name))
				continue
			}
			problems = append(problems, config.Problem{
				Setting: a.name, What: fmt.Sprintf("has the secret of %s, which signs in another way (%s and %s), so that a delivery of one can be forged as one of the other", b.name, a.scheme, b.scheme),
				Remedy: "give each sender a secret of its own",
			})
		}
	}
	if problems != nil {
		return warnings, &config.Error{Problems: problems}
	}
	return warnings, nil
}

// inForce lists the senders as they are after a reload: those of the settings that it leaves without secrets
// are served with their old ones.
func inForce(old, reloaded []signer) []signer {
	now := slices.DeleteFunc(slices.Clone(reloaded), func(s signer) bool { return len(s.secrets) == 0 })
	for _, s := range old {
		name, further := strings.CutPrefix(s.name, sourcePrefix)
		if (!further || hasVariable(name)) && !slices.ContainsFunc(now, func(n signer) bool { return n.name == s.name }) {
			now = append(now, s)
		}
	}
	return now
}

func warnShared(log *slog.Logger, warnings []string) {
	for _, w := range warnings {
		log.Warn("senders share a secret", slog.String("warning", w))
	}
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// SourceWarnings are what an operator should know of the senders that a configuration names.
func SourceWarnings(cfg config.Config) []string {
	others, err := otherSources(cfg)
	if err != nil {
		return nil // It is a problem of the start.
	}
	warnings, _ := sharedSecrets(signers(cfg, cfg.Slack.SigningSecrets.Reveal(), others)) // as above
	return warnings
}
