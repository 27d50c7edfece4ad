package operate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// helloTimeout bounds the first question to a server, which it answers from memory.
const helloTimeout = 5 * time.Second

// A Client speaks to the server behind a socket. It is the store of that server; see
// remote.go. It is safe for concurrent use.
type Client struct {
	http  *http.Client
	path  string
	hello Hello
}

// Dial asks the server behind a path who it is. [ErrNoServer] when none is there; a
// server that does not answer within five seconds is another error.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		MaxIdleConnsPerHost: maxCalls,
	}}
	if checkPath(path) != nil {
		return nil, fmt.Errorf("%w at %s", ErrNoServer, path) // no server can listen there
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	hello, err := Ask[Hello](ctx, c, helloRoute, none{})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s", ErrNoServer, path)
	case err != nil:
		c.http.CloseIdleConnections()
		return nil, fmt.Errorf("ask the server at %s: %w", path, err)
	}
	c.hello = hello
	return c, nil
}

// Hello is what the server said about itself.
func (c *Client) Hello() Hello { return c.hello }

// Path is where the socket is.
func (c *Client) Path() string { return c.path }

// Close lets go of the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Ask sends a value to a route that [Call] made and returns its answer. The error
// unwraps to what the server's was; [queue.ErrUnavailable] when the server went away.
func Ask[Out any](ctx context.Context, c *Client, route string, in any) (out Out, err error) {
	res, err := c.post(ctx, route, in)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("%s: the server went away: %w: %w", route, queue.ErrUnavailable, err)
	}
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return out, nil
}

// Follow sends a value to a route that [Stream] made and calls each for every item,
// until the stream ends (nil), ctx does (nil), or each fails (its error). A server that
// stops ends it with [queue.ErrClosed], one that went away with [queue.ErrUnavailable].
func Follow[Item any](ctx context.Context, c *Client, route string, in any, each func(Item) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.post(ctx, route, in)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer res.Body.Close()
	d := json.NewDecoder(bufio.NewReaderSize(res.Body, 64<<10))
	for {
		var l line
		if err := d.Decode(&l); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s: the server went away: %w: %w", route, queue.ErrUnavailable, err)
		}
		switch {
		case l.Fault != nil:
			return l.Fault
		case l.End:
			return nil
		}
		var item Item
		if err := json.Unmarshal(l.Item, &item); err != nil {
			return fmt.Errorf("%s: %w", route, err)
		}
		if err := each(item); err != nil {
			return err
		}
	}
}

// post sends a request and returns an answer that is no fault.
func (c *Client) post(ctx context.Context, route string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", route, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://operator"+prefix+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: the server cannot be reached: %w: %w", route, queue.ErrUnavailable, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	f := &Error{}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxRequest)).Decode(f); err != nil || f.Text == "" {
		return nil, fmt.Errorf("%s: the server answers status %d", route, res.StatusCode)
	}
	return nil, f
}

var _ operator.Store = (*Client)(nil)

// History reads one page; see queue.Queue.
func (c *Client) History(ctx context.Context, q event.Query) (event.Page, error) {
	if q.Filter.Sight != nil {
		return event.Page{}, fmt.Errorf("operate: %w: the socket is the operator's, who sees everything", errors.ErrUnsupported)
	}
	p, err := Ask[wirePage](ctx, c, routeHistory, wireQuery{
		wireFilterOf(q.Filter), q.After, q.Order == event.OldestFirst, q.Limit, q.ScanBudget, q.MaxBytes, q.NoBodies,
	})
	return p.page(), err
}

// Get returns the stored event; see queue.Queue.
func (c *Client) Get(ctx context.Context, source, id string) (event.Event, error) {
	w, err := Ask[wireEvent](ctx, c, routeGet, getIn{text(source), text(id)})
	if err != nil {
		return event.Event{}, err
	}
	return w.event(), nil
}

// Tail calls fn with every event; see queue.Queue. When the server stops it ends with
// queue.ErrClosed or queue.ErrUnavailable, and can be taken up again behind the last event.
func (c *Client) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	return Follow(ctx, c, routeTail, wireStartOf(from), func(w wireEvent) error { return fn(w.event()) })
}

// States says what became of an event in each group; see queue.Queue.
func (c *Client) States(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	w, err := Ask[[]wireState](ctx, c, routeStates, statesIn{at})
	var list []queue.EventState
	for _, s := range w {
		list = append(list, queue.EventState{Group: s.Group, State: s.State, Attempts: s.Attempts, At: s.At.maybe(), Reason: string(s.Reason)})
	}
	return list, err
}

// Stats counts; see queue.Queue.
func (c *Client) Stats(ctx context.Context) (queue.Stats, error) {
	return Ask[queue.Stats](ctx, c, routeStats, none{})
}

// Groups lists the registered groups by name.
func (c *Client) Groups(ctx context.Context) ([]string, error) {
	return Ask[[]string](ctx, c, routeGroups, none{})
}

// DropGroup forgets a group; see queue.Queue.
func (c *Client) DropGroup(ctx context.Context, group string) error {
	_, err := Ask[none](ctx, c, routeDropGroup, groupIn{group})
	return err
}

// DeadLetters lists a group's dead letters; see queue.Queue.
func (c *Client) DeadLetters(ctx context.Context, group string, q queue.LetterQuery) ([]queue.DeadLetter, error) {
	list, err := Ask[[]wireLetter](ctx, c, routeDeadLetters, lettersIn{group, q.After, q.Limit, q.MaxBytes, q.NoBodies})
	var letters []queue.DeadLetter
	for _, w := range list {
		letters = append(letters, queue.DeadLetter{
			Event: w.Event.event(), Group: group, Attempts: w.Attempts, Reason: string(w.Reason), DiedAt: w.DiedAt.time(),
		})
	}
	return letters, err
}

// Redrive gives dead letters back; see queue.Queue. At most some 20,000 in one call.
func (c *Client) Redrive(ctx context.Context, group string, at ...event.Position) (int, error) {
	return Ask[int](ctx, c, routeRedrive, changeIn{group, at})
}

// Drop removes dead letters; see queue.Queue. At most some 20,000 in one call.
func (c *Client) Drop(ctx context.Context, group string, at ...event.Position) (int, error) {
	return Ask[int](ctx, c, routeDrop, changeIn{group, at})
}

// Replay schedules events once more; see queue.Queue. At most some 20,000 in one call.
func (c *Client) Replay(ctx context.Context, group string, at ...event.Position) (int, error) {
	return Ask[int](ctx, c, routeReplay, changeIn{group, at})
}

// Consume works a group's events; see queue.Queue. The server holds each delivery until
// this process says how the attempt went; what it holds when it dies has failed and is
// due again by the group's policy. A group with a Key is refused. When the server stops, or goes away, Consume ends with
// queue.ErrClosed or queue.ErrUnavailable; the attempts that ran are then made again.
func (c *Client) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if g.Key != nil {
		return fmt.Errorf("consume %s: %w", g.Name, errKey)
	}
	if begun := ctx.Err() == nil; !begun {
		return nil
	}
	w := &remoteWorker{client: c, group: g, handler: h}
	return w.run(ctx)
}

// errKey says that order is kept where the store is: a key is a function, and does not
// travel.
var errKey = errors.New("events cannot be ordered over the socket: use a handler or a rule of the server")

// errDeadline is the failure of an attempt that ended after its deadline.
var errDeadline = errors.New("handler reached its deadline")

// A remoteWorker is one call of Consume.
type remoteWorker struct {
	client   *Client
	group    queue.Group
	handler  queue.Handler
	handlers sync.WaitGroup
}

// run follows the stream of deliveries. It outlives ctx until what is held is settled.
func (w *remoteWorker) run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	leaving := func() bool { return false }
	err := Follow(life, w.client, routeConsume, wireGroupOf(w.group), func(o handout) error {
		if o.Event == nil {
			leaving = context.AfterFunc(ctx, func() { w.leave(life, o.Consumer, end) })
			return nil
		}
		w.handlers.Go(func() {
			w.attempt(life, o.Lease, queue.Delivery{Event: o.Event.event(), Group: w.group.Name, Attempt: o.Attempt})
		})
		return nil
	})
	leaving()
	end() // what still runs is no longer ours
	w.handlers.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, queue.ErrClosed) || errors.Is(err, queue.ErrUnavailable)) {
		return nil
	}
	return err
}

// leave asks for no more deliveries. The server ends the stream once all are settled, or
// the drain is over; if it does not, the stream is left.
func (w *remoteWorker) leave(life context.Context, consumer string, end context.CancelFunc) {
	if _, err := Ask[none](life, w.client, routeLeave, handout{Consumer: consumer}); err != nil {
		end()
		return
	}
	late := time.NewTimer(w.group.Drain + time.Second)
	defer late.Stop()
	select {
	case <-late.C:
		end()
	case <-life.Done():
	}
}

// attempt works one delivery and says how it went.
func (w *remoteWorker) attempt(life context.Context, lease string, d queue.Delivery) {
	ctx, cancel := context.WithTimeout(life, w.group.Deadline)
	defer cancel()
	err := guard(ctx, w.handler, d)
	if ctx.Err() != nil {
		// The server's clock began before ours: it has the attempt for failed already.
		err = errors.Join(errDeadline, err)
	}
	v := verdict{Lease: lease}
	if err != nil {
		v.Reason = err.Error()
		if v.Reason == "" {
			v.Reason = "the handler failed without saying why"
		}
		v.Permanent = queue.IsPermanent(err)
		v.RetryAfter = queue.Pause(err)
		if after, ok := queue.Postponed(err); ok {
			v.Postponed, v.RetryAfter = true, after
		}
	}
	// A verdict that does not arrive is as a crash: the attempt is made again.
	_, _ = Ask[none](life, w.client, routeSettle, v)
}

// guard turns a panic into an error.
func guard(ctx context.Context, h queue.Handler, d queue.Delivery) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handler panicked: %v", r)
		}
	}()
	return h(ctx, d)
}
