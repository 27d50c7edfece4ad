package webhook

import (
	"context"
	"net/http"
	"time"

	"slackmcp/webhook/event"
)

// A Direct is a delivery of Slack's that came over a connection by which Slack is known,
// as in Socket Mode: nothing is left to verify.
type Direct struct {
	// Body is the payload, a JSON object. The caller must not write to it after Deliver.
	Body []byte
	// Command says that Body is the fields of a slash command.
	Command bool
	// Interactive says that Slack reads an answer: an interaction or a slash command.
	Interactive bool
	// Retry is what Slack says about earlier deliveries of it.
	Retry event.Retry
	// RequestID names the delivery in the log.
	RequestID string
}

// Deliver takes one delivery through the steps that a posted one takes after its signature.
// With stored, the event is stored, now or by an earlier delivery, and Slack may be told so;
// answer is then the JSON that answers an interaction, or empty. Without stored Slack must
// not be told anything, so that it delivers again.
func (rc *Receiver) Deliver(ctx context.Context, d Direct) (answer []byte, stored bool) {
	v := &delivery{endpoint: &rc.direct, began: time.Now(), body: d.Body, interactive: d.Interactive}
	v.Source, v.Bytes, v.RequestID = event.SourceSlack, len(d.Body), d.RequestID
	v.Outcome, v.Reason = rc.take(v, d)
	v.Status = replies[v.Outcome].status
	rc.report(ctx, v)
	stored = v.Status == http.StatusOK
	if d.Interactive && stored {
		answer = v.reply
	}
	return answer, stored
}

func (rc *Receiver) take(v *delivery, d Direct) (o Outcome, reason string) {
	if int64(len(d.Body)) > rc.opt.MaxBodyBytes {
		return TooLarge, ""
	}
	decode := event.DecodeCommand
	if !d.Command {
		decode = func(b []byte) (event.Envelope, error) { return event.DecodeSlack(b, event.JSON) }
	}
	env, err := decode(d.Body)
	if err != nil {
		return v.illFormed(err)
	}
	v.event = env.Event
	v.event.Retry = d.Retry
	return rc.publish(v)
}
