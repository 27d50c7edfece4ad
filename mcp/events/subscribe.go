package events

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/transport"
)

// Subscriptions keeps webhook subscriptions; [notify.Notifier] does.
type Subscriptions interface {
	Subscribe(ctx context.Context, r notify.Request) (notify.Grant, error)
	Unsubscribe(ctx context.Context, k notify.Key) (found bool, err error)
}

const modeWebhook = "webhook"

// delivery says where events are to be posted.
type delivery struct {
	Mode   string `json:"mode"`
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

type subscribeResult struct {
	ResultType     string         `json:"resultType"`
	ID             string         `json:"id"`
	RefreshBefore  string         `json:"refreshBefore"`
	Cursor         string         `json:"cursor"`
	Truncated      bool           `json:"truncated"`
	DeliveryStatus deliveryStatus `json:"deliveryStatus"`
}

type deliveryStatus struct {
	Active         bool    `json:"active"`
	LastDeliveryAt *string `json:"lastDeliveryAt"`
	LastError      *string `json:"lastError"`
	FailedSince    *string `json:"failedSince,omitempty"`
}

// subscribe grants or refreshes a webhook subscription of the caller's.
func (x *Extension) subscribe(ctx context.Context, p *access.Principal, r *transport.Request) (any, error) {
	var in struct {
		asked
		Delivery *delivery       `json:"delivery"`
		TTLMs    json.RawMessage `json:"ttlMs"`
	}
	if err := params(r, &in); err != nil {
		return nil, err
	}
	sel, err := x.selection(&in.asked)
	if err != nil {
		return nil, err
	}
	key, err := x.key(p, sel, in.Delivery, true)
	if err != nil {
		return nil, err
	}
	since, err := in.since(x.reader.now())
	if err != nil {
		return nil, err
	}
	ttl, err := ttl(in.TTLMs)
	if err != nil {
		return nil, err
	}
	req := notify.Request{Key: key, Caller: p, Credential: p.Credential, Secret: in.Delivery.Secret, Since: since, TTL: ttl}
	if in.Cursor != nil {
		if req.Cursor = x.reader.pen(p, sel).read(*in.Cursor); req.Cursor == "" {
			req.Cursor = *in.Cursor // it is none, and not now
		}
	}
	g, err := x.subscriptions.Subscribe(ctx, req)
	if err != nil {
		return nil, x.refused(err)
	}
	return subscribeResult{
		ResultType: complete, ID: g.ID, RefreshBefore: g.RefreshBefore.UTC().Format(time.RFC3339), Cursor: x.reader.pen(p, sel).write(g.Cursor), Truncated: g.Truncated,
		DeliveryStatus: deliveryStatus{
			Active: g.Status.Active, LastDeliveryAt: instant(g.Status.LastDeliveryAt),
			LastError: text(g.Status.LastError), FailedSince: instant(g.Status.FailedSince),
		},
	}, nil
}

// unsubscribe ends one of the caller's subscriptions.
func (x *Extension) unsubscribe(ctx context.Context, p *access.Principal, r *transport.Request) (any, error) {
	var in struct {
		asked
		Delivery *delivery `json:"delivery"`
	}
	if err := params(r, &in); err != nil {
		return nil, err
	}
	sel, err := x.selection(&in.asked)
	if err != nil {
		return nil, err
	}
	key, err := x.key(p, sel, in.Delivery, false)
	if err != nil {
		return nil, err
	}
	found, err := x.subscriptions.Unsubscribe(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case !found && x.strict:
		return nil, fault(x.codes.NotFound, "NotFound: there is no such subscription", map[string]any{"kind": "subscription"})
	}
	return struct {
		ResultType string `json:"resultType"`
	}{complete}, nil
}

// key identifies a subscription of the caller's. An anonymous caller can have none.
func (x *Extension) key(p *access.Principal, sel *Selection, d *delivery, named bool) (notify.Key, error) {
	switch {
	case x.subscriptions == nil:
		return notify.Key{}, x.unsupported("deliveryMode", modeWebhook)
	case d == nil:
		return notify.Key{}, invalid("delivery", "it is required")
	case d.Mode != modeWebhook && (named || d.Mode != ""):
		return notify.Key{}, x.unsupported("deliveryMode", known(d.Mode))
	case p == nil || p.Anonymous:
		return notify.Key{}, x.forbidden("webhooks are posted for authenticated callers only: connect with a token")
	case d.URL == "":
		return notify.Key{}, invalid("delivery.url", "it is required")
	}
	return notify.Key{Principal: p.Name, URL: d.URL, Name: sel.Name, Arguments: sel.Arguments}, nil
}

// known repeats a mode of the extension and nothing else that a caller writes.
func known(mode string) string {
	switch mode {
	case "push", "poll":
		return mode
	}
	return "other"
}

// refused turns a notifier's refusal into the protocol's error.
func (x *Extension) refused(err error) error {
	if e, ok := errors.AsType[*notify.InputError](err); ok {
		return invalid(e.Field, e.Problem)
	}
	if e, ok := errors.AsType[*notify.LimitError](err); ok {
		return x.exhausted(e.Limit, e.Max)
	}
	if e, ok := errors.AsType[*notify.CallbackError](err); ok {
		return fault(x.codes.CallbackEndpointError, "CallbackEndpointError: "+e.Error(), map[string]any{"reason": e.Reason})
	}
	return err
}

// ttl reads how long a subscription is to live. No value is wrong but what is no number.
func ttl(raw json.RawMessage) (time.Duration, error) {
	if len(raw) == 0 {
		return 0, nil
	}
	if string(raw) == "null" {
		return notify.Forever, nil
	}
	var ms float64
	if json.Unmarshal(raw, &ms) != nil {
		return 0, invalid("ttlMs", "write a number of milliseconds, or null")
	}
	// At least what is the least, at most what any grant is: the notifier cuts it further.
	return time.Duration(min(max(ms, 1), 1e12)) * time.Millisecond, nil
}

func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339Nano)
	return &s
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
