package tools

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const setPins = "pins"

func pinTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_list_pins", Title: "List pins", Set: setPins, Scope: access.Read, Needs: []string{"pins:read"},
			Description: "List the messages and files that are pinned in a channel: what its members want to be found.",
		}, k.listPins),
		toolset.Define(toolset.Tool{
			Name: "slack_add_pin", Title: "Pin a message", Set: setPins,
			Scope: access.Write, Effect: toolset.Sets, Needs: []string{"pins:write"},
			Description: "Pin a message to its channel, for all members. One that is pinned already counts as done.",
		}, k.addPin),
		toolset.Define(toolset.Tool{
			Name: "slack_remove_pin", Title: "Unpin a message", Set: setPins,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{"pins:write"},
			Description: "Take a pin off, for all members. The message stays. One that is not pinned counts as done.",
		}, k.removePin),
	}
}

type pin struct {
	PinnedBy string        `json:"pinned_by,omitempty"`
	PinnedAt string        `json:"pinned_at,omitempty"`
	Time     string        `json:"time,omitempty" doc:"when it was pinned"`
	Message  *view.Message `json:"message,omitempty"`
	File     *view.File    `json:"file,omitempty" doc:"in place of a message"`
}

type pinsOut struct {
	view.Mark
	Channel string `json:"channel"`
	Pins    []pin  `json:"pins"`
	HasMore bool   `json:"has_more"`
	Note    string `json:"note,omitempty"`
	view.Legend
	readBy
}

func (k *kit) listPins(ctx context.Context, c *toolset.Call, in channelIn) (pinsOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return pinsOut{}, err
	}
	var items []slackapi.Pin
	by := k.reader(c)
	for by.next(err) {
		items, err = by.api.Pins(ctx, channel)
	}
	if err != nil {
		return pinsOut{}, err
	}
	out := pinsOut{}
	err = k.Judge.Read(ctx, func(r *view.Reading) error {
		out = k.pinned(ctx, r, channel, items)
		return nil
	})
	out.readBy = by.readBy
	return out, err
}

// pinned shows what is pinned in a channel until there is enough to read.
func (k *kit) pinned(ctx context.Context, r *view.Reading, channel string, items []slackapi.Pin) pinsOut {
	out, size, o := pinsOut{Channel: channel, Pins: []pin{}}, 0, k.messageOptions(ctx, channel, concise)
	for i := range items {
		p := pin{PinnedBy: items[i].CreatedBy, PinnedAt: view.Unix(items[i].Created), Time: r.ClockUnix(items[i].Created)}
		if f := items[i].File; f != nil && items[i].Message.TS == "" {
			p.File = new(r.File(f))
		} else {
			p.Message = new(r.Message(&items[i].Message, o))
		}
		if size += jsonSize(p); size > maxResult && i > 0 {
			out.HasMore, out.Note = true, "The oldest pins were left out to keep the list readable."
			break
		}
		out.Pins = append(out.Pins, p)
	}
	out.Legend = r.Legend()
	return out
}

func (k *kit) addPin(ctx context.Context, c *toolset.Call, in deleteIn) (posted, error) {
	return k.pin(ctx, c, in, "already_pinned", (*slackapi.Client).AddPin)
}

func (k *kit) removePin(ctx context.Context, c *toolset.Call, in deleteIn) (posted, error) {
	return k.pin(ctx, c, in, "no_pin", (*slackapi.Client).RemovePin)
}

// pin changes a pin. The code done is Slack's word for "so already".
func (k *kit) pin(ctx context.Context, c *toolset.Call, in deleteIn, done string, change func(api *slackapi.Client, ctx context.Context, channel, ts string) error) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety)
	if w.due {
		if err = change(w.slack, ctx, channel, ts); is(err, done) {
			err = nil
		}
		w.end(ctx, nothing{}, ts, err)
	}
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: w.carried}, err
}
