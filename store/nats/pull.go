package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"slackmcp/store/queue"
)

// pull asks for at most n messages of a consumer and waits until the first are there, at
// the latest until the wait is over or ctx is done. A request that is given up is taken
// back first, so that no message goes to somebody who does not listen any more: it would
// count as an attempt that crashed.
func (q *Store) pull(ctx context.Context, consumer string, n int, wait time.Duration) ([]*natsgo.Msg, error) {
	inbox := q.nc.NewInbox()
	arrived := make(chan *natsgo.Msg, n+8)
	sub, err := q.nc.ChanSubscribe(inbox, arrived)
	if err != nil {
		return nil, err
	}
	p := &pulling{q: q, sub: sub, arrived: arrived, renewed: q.renewed(), n: n}
	if err := p.request(consumer, inbox, wait); err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	err = p.collect(ctx, wait)
	if !p.over {
		err = errors.Join(err, p.takeBack())
	} else {
		_ = sub.Unsubscribe()
	}
	if len(p.list) > 0 {
		return p.list, nil
	}
	return nil, err
}

type pulling struct {
	q       *Store
	sub     *natsgo.Subscription
	arrived chan *natsgo.Msg
	renewed <-chan struct{} // closed when the request went by a connection that broke
	n       int
	list    []*natsgo.Msg
	over    bool // the server will send nothing more
}

// request sends the request; see nats-server's JSApiConsumerGetNextRequest.
func (p *pulling) request(consumer, inbox string, wait time.Duration) error {
	r := struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires,omitempty"`
		NoWait  bool          `json:"no_wait,omitempty"`
	}{Batch: p.n, Expires: wait, NoWait: wait == 0}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.q.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+p.q.names.stream+"."+consumer, inbox, body)
}

// collect waits for the first message and takes those that come with it.
func (p *pulling) collect(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait + callTimeout)
	defer t.Stop()
	for !p.over {
		select {
		case m := <-p.arrived:
			if err := p.take(m); err != nil {
				return err
			}
			if len(p.list) > 0 && len(p.arrived) == 0 && !p.over {
				return nil
			}
		case <-ctx.Done():
			return nil
		case <-p.renewed:
			return nil
		case <-t.C:
			return fmt.Errorf("consumer %w", errSilent)
		}
	}
	return nil
}

var errSilent = errors.New("does not answer a request for events")

// take looks at what arrived: an event, or the server's word on the request.
func (p *pulling) take(m *natsgo.Msg) error {
	status, text := m.Header.Get("Status"), strings.ToLower(m.Header.Get("Description"))
	switch {
	case status == "" || len(m.Data) > 0:
		p.list = append(p.list, m)
		p.over = len(p.list) == p.n
		return nil
	case status == "100":
		return nil // a heartbeat
	}
	p.over = true
	switch {
	case status == "404", status == "408":
		return nil // there is nothing
	case status == "409" && strings.Contains(text, "batch completed"):
		return nil
	case status == "409" && strings.Contains(text, "consumer deleted"):
		return queue.ErrNoGroup
	}
	return fmt.Errorf("request for events: status %s %s", status, text)
}

// takeBack ends the request and collects what was sent before the server heard of it.
func (p *pulling) takeBack() error {
	if err := p.sub.Drain(); err != nil {
		return err
	}
	// The server's answer to a ping comes behind all that it sent before.
	if err := p.q.nc.FlushTimeout(callTimeout); err != nil {
		return err
	}
	for {
		select {
		case m := <-p.arrived:
			if m == nil {
				return nil
			}
			_ = p.take(m) // what the server says of the request does not matter any more
		default:
			return nil
		}
	}
}
