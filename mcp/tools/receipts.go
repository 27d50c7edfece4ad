package tools

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/receipts"
	"slackmcp/mcp/toolset"
)

type messageStatusIn struct {
	MessageID string `json:"message_id" alias:"id" doc:"Id of the message, as its sender's receipts have it"`
}

func receiptTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "webhook_message_status", Title: "Get a message's delivery status", Set: setEvents, Scope: access.Events,
			Description: "Get the last known delivery status (queued, delivered, failed) of a message that a messaging service reports on by delivery receipts, with the receipts that told of it. For all receipts call slack_list_events with source receipts.",
		}, k.messageStatus),
	}
}

func (k *kit) messageStatus(ctx context.Context, _ *toolset.Call, in messageStatusIn) (receipts.Status, error) {
	return receipts.Find(ctx, k.Events, in.MessageID)
}
