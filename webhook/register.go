package webhook

import (
	"errors"
	"fmt"

	"slackmcp/webhook/signature"
)

// register makes the routes that the options name.
func (rc *Receiver) register() error {
	if len(rc.opt.SlackSecrets) > 0 {
		v, err := rc.verifier(signature.SlackV0, rc.opt.SlackSecrets)
		if err != nil {
			return fmt.Errorf("webhook: SlackSecrets: %w", err)
		}
		rc.endpoints[SlackPath] = slackEndpoint(v)
	}
	for i, s := range rc.opt.Sources {
		ep, err := rc.endpoint(s)
		if err != nil {
			return fmt.Errorf("webhook: Sources: number %d (%s): %w", i+1, s.Name, err)
		}
		if rc.endpoints[SourcePath+s.Name] != nil {
			return fmt.Errorf("webhook: Sources: %q is named twice", s.Name)
		}
		rc.endpoints[SourcePath+s.Name] = ep
	}
	if len(rc.opt.ReceiptSecrets) > 0 {
		v, err := rc.verifier(signature.Bearer, rc.opt.ReceiptSecrets)
		if err != nil {
			return fmt.Errorf("webhook: ReceiptSecrets: %w", err)
		}
		rc.endpoints[ReceiptPath] = receiptEndpoint(v, rc.opt.ReceiptOutput)
	}
	if len(rc.endpoints) == 0 && !rc.opt.Direct {
		return errors.New("webhook: no secret is given: set SlackSecrets, Sources or ReceiptSecrets, or Direct where events come by Deliver")
	}
	return nil
}

func (rc *Receiver) verifier(s signature.Scheme, secrets []string) (*signature.Verifier, error) {
	return signature.New(signature.Options{Scheme: s, Secrets: secrets, Tolerance: rc.opt.Tolerance})
}
