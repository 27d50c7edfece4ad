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

func pinTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_list_pins", Title: "List pins", Set: setPins, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"pins:read"},
			Description: "List the messages and files that are pinned in a channel: what its members want to be found.",
		}, (*kit).listPins),
		define(ks, toolset.Tool{
			Name: "slack_add_pin", Title: "Pin a message", Set: setPins,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Sets, Needs: []string{"pins:write"},
			Description: "Pin a message to its channel, for all members. One that is pinned already counts as done.",
		}, (*kit).addPin),
		define(ks, toolset.Tool{
			Name: "slack_remove_pin", Title: "Unpin a message", Set: setPins,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{"pins:write"},
			Description: "Take a pin off, for all members. The message stays. One that is not pinned counts as done.",
		}, (*kit).removePin),
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
	paging
	view.Legend
	readBy
}

func (k *kit) listPins(ctx context.Context, c *toolset.Call, in pagedChannelIn) (pinsOut, error) {
	at, err := spotOf(in.Cursor)
	if err != nil {
		return pinsOut{}, err
	}
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
		out = k.pinned(ctx, r, channel, at, items)
		return nil
	})
	out.readBy = by.readBy
	return out, err
}

// pinned shows what is pinned in a channel until there is enough to read.
func (k *kit) pinned(ctx context.Context, r *view.Reading, channel string, at spot, items []slackapi.Pin) pinsOut {
	out, s, o := pinsOut{Channel: channel}, newSheet(false), k.messageOptions(ctx, channel, concise)
	shown, cut := fit(s.budget.Naming(r), behind(at, items), func(p *slackapi.Pin) pin {
		v := pin{PinnedBy: p.CreatedBy, PinnedAt: view.Unix(p.Created), Time: r.ClockUnix(p.Created)}
		if p.File != nil && p.Message.TS == "" {
			v.File = new(r.File(p.File))
			return v
		}
		v.Message = new(r.Message(&p.Message, o))
		s.met.Message(v.Message)
		return v
	})
	out.Pins, out.Legend = shown, r.Legend(shown)
	out.page(at.next(len(shown), cut, ""), cut)
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
