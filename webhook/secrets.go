package webhook

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Secrets are those that senders sign with. What is nil is left as it is.
type Secrets struct {
	// Slack are Slack's signing secrets, Receipts those of delivery receipts.
	Slack, Receipts []string
	// Sources are those of the other senders, by name.
	Sources map[string][]string
}

// ReplaceSecrets puts other secrets in force while the Receiver serves: no request is
// refused for it that one of the old or the new ones has signed. With an error nothing
// is changed. A route that was not registered cannot be added.
func (rc *Receiver) ReplaceSecrets(s Secrets) error {
	byPath := map[string][]string{}
	if s.Slack != nil {
		byPath[SlackPath] = s.Slack
	}
	if s.Receipts != nil {
		byPath[ReceiptPath] = s.Receipts
	}
	for name, secrets := range s.Sources {
		byPath[SourcePath+name] = secrets
	}
	var errs []error
	paths := slices.Sorted(maps.Keys(byPath))
	for _, path := range paths {
		ep := rc.endpoints[path]
		if ep == nil {
			errs = append(errs, fmt.Errorf("webhook: %s is not served: a new sender needs a restart", path))
		} else if err := ep.verifier.Check(byPath[path]); err != nil {
			errs = append(errs, fmt.Errorf("webhook: %s: %w", path, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, path := range paths {
		if err := rc.endpoints[path].verifier.Replace(byPath[path]); err != nil {
			return err // Check has just taken them
		}
	}
	return nil
}
