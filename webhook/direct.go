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

// Deliver takes one delivery by the way that posted ones take behind their signature. It
// reports whether Slack may be told that it arrived: it is stored, or it was stored
// before. answer is what Slack is told to an interaction, JSON, or empty. Without stored
// Slack is to be told nothing, so that it delivers again.
func (rc *Receiver) Deliver(ctx context.Context, d Direct) (answer []byte, stored bool) {
	v := &visit{endpoint: &rc.direct, began: time.Now()}
	v.RequestID = d.RequestID
	v.Source, v.Bytes = event.SourceSlack, len(d.Body)
	v.Outcome = rc.take(v, d)
	v.Status = replies[v.Outcome].status
	rc.report(ctx, v)
	stored = v.Status == http.StatusOK
	if d.Interactive && stored {
		answer = v.reply
	}
	return answer, stored
}

func (rc *Receiver) take(v *visit, d Direct) Outcome {
	if int64(len(d.Body)) > rc.opt.MaxBodyBytes {
		return TooLarge
	}
	decode := event.DecodeCommand
	if !d.Command {
		decode = func(b []byte) (event.Envelope, error) { return event.DecodeSlack(b, event.JSON) }
	}
	env, err := decode(d.Body)
	if err != nil {
		return v.end(IllFormed, illFormedReason(err))
	}
	env.Retry = d.Retry
	return rc.store(v, decoded{event: env.Event, interactive: d.Interactive})
}
