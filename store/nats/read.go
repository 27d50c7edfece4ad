package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// idle is how long a reader or a consumer believes that nothing happened without asking.
const idle = 2 * time.Second

// History reads one page; see queue.Queue. Between the pieces of a long page others may
// write.
func (q *Store) History(ctx context.Context, query event.Query) (event.Page, error) {
	if _, err := q.begin(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	p, err := remote.History(ctx, storeLog{q}, query)
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// Tail follows the log; see queue.Queue. While NATS is away it waits.
func (q *Store) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := q.life.Enter("tail"); err != nil {
		return err
	}
	defer q.life.Leave()
	return remote.Tail(ctx, q.life, storeLog{q}, q.o.Logger, from, fn)
}

// Get returns the stored event; see queue.Queue.
func (q *Store) Get(ctx context.Context, source, id string) (event.Event, error) {
	s, err := q.begin(ctx, "get")
	if err != nil {
		return event.Event{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := s.last(ctx, q, q.names.event(eventlog.KeyOf(source, id)))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && int64(m.Sequence) <= s.groups.trimmed() { //nolint:gosec // below 2^53
		return event.Event{}, fmt.Errorf("get: %w", event.ErrNotFound)
	}
	if err != nil {
		return event.Event{}, fmt.Errorf("get: %w", q.fault(err))
	}
	return decode(s.epoch, int64(m.Sequence), m.Data) //nolint:gosec // below 2^53
}

func decode(epoch string, seq int64, rec []byte) (event.Event, error) {
	e, err := remote.DecodeRecord(rec)
	if err != nil {
		return event.Event{}, fmt.Errorf("event %d: %w", seq, err)
	}
	e.Position = eventlog.Bounds{Epoch: epoch}.Position(seq)
	return e, nil
}

// storeLog is the log as a reader sees it.
type storeLog struct{ q *Store }

// Wait implements remote.Log.
func (l storeLog) Wait(ctx context.Context, after int64) { l.q.notifier.Wait(ctx, after, idle, nil) }

// Read implements remote.Log.
func (l storeLog) Read(ctx context.Context, p remote.Piece) (eventlog.Bounds, []event.Event, error) {
	q, from, to := l.q, p.From, p.To
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, b, err := q.bounds(ctx)
	if err != nil {
		return b, nil, err
	}
	if p.Back {
		to, from = min(from, b.Last), max(to, b.Trimmed+1, min(from, b.Last)-int64(min(p.N, backward))+1)
	} else {
		from, to = max(from, b.Trimmed+1), min(to, b.Last, from+int64(p.N)-1)
	}
	var events []event.Event
	for from <= to {
		events, err = q.part(ctx, s.epoch, from, to)
		if err != nil {
			return b, nil, err
		}
		// Forwards a part is enough. Backwards it has to reach the end; when the bodies were
		// enough before that, a range of as many events as came may.
		n := int64(len(events))
		if !p.Back || n == 0 || from+n > to {
			break
		}
		from = to - n + 1
	}
	if p.Back {
		slices.Reverse(events)
	}
	return b, events, nil
}

// part reads the first of the events from one sequence number to another.
func (q *Store) part(ctx context.Context, epoch string, from, to int64) ([]event.Event, error) {
	list, err := q.batch(ctx, from, int(to-from+1))
	if err != nil {
		return nil, q.fault(err)
	}
	var events []event.Event
	for _, m := range list {
		if m.seq > to {
			break
		}
		e, err := decode(epoch, m.seq, m.data)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// backward is how many events are read at a time towards the beginning: the server sends
// them forwards, so that all are held until the last has come.
const backward = 64

// bounds asks for the bounds of the log.
func (q *Store) bounds(ctx context.Context) (*topic, eventlog.Bounds, error) {
	s, err := q.ready(ctx)
	if err != nil {
		return nil, eventlog.Bounds{}, q.fault(err)
	}
	info, err := s.stream.Info(ctx)
	if err != nil {
		return nil, eventlog.Bounds{}, q.fault(err)
	}
	if info.Config.Metadata[epochField] != s.epoch {
		q.forget()
		return nil, eventlog.Bounds{}, q.fault(errors.New("the stream was made anew"))
	}
	s.said(info.TimeStamp)
	last := int64(info.State.LastSeq) //nolint:gosec // below 2^53
	q.quota.observe(last)
	return s, eventlog.Bounds{Epoch: s.epoch, Trimmed: min(s.groups.trimmed(), last), Last: last}, nil
}

// A stored is one message of the stream.
type stored struct {
	seq  int64
	at   time.Time
	data []byte
}

// maxBatchBytes bounds what the server sends for one request.
const maxBatchBytes = 1 << 20

// direct is a request for messages; see nats-server's JSApiMsgGetRequest.
type direct struct {
	Seq       int64      `json:"seq,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
}

// batch reads at most n messages from a sequence number on.
func (q *Store) batch(ctx context.Context, seq int64, n int) ([]stored, error) {
	return q.direct(ctx, direct{Seq: seq, Batch: max(n, 1), MaxBytes: maxBatchBytes})
}

// direct asks any server that has the stream, and collects the messages.
func (q *Store) direct(ctx context.Context, r direct) ([]stored, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	inbox := q.nc.NewInbox()
	sub, err := q.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // gone with its connection
	if err := q.nc.PublishRequest("$JS.API.DIRECT.GET."+q.names.stream, inbox, body); err != nil {
		return nil, err
	}
	var list []stored
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		switch status := m.Header.Get("Status"); {
		case status == "204", status == "404":
			return list, nil
		case status != "":
			return nil, fmt.Errorf("read messages: status %s %s", status, m.Header.Get("Description"))
		}
		one, err := parseStored(m)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
}

func parseStored(m *natsgo.Msg) (stored, error) {
	seq, err := strconv.ParseInt(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("read messages: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return stored{}, fmt.Errorf("read messages: %w", err)
	}
	return stored{seq: seq, at: at, data: m.Data}, nil
}

// fromLeader reads a subject's last message from the server that takes a stream's writes.
func (q *Store) fromLeader(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, err
	}
	m, err := q.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq     uint64    `json:"seq"`
			Headers []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, jetstream.ErrMsgNotFound
		}
		return nil, answer.Error
	}
	out := &jetstream.RawStreamMsg{Subject: subject, Sequence: answer.Message.Seq, Data: answer.Message.Data, Time: answer.Message.Time}
	if len(answer.Message.Headers) > 0 {
		if out.Header, err = natsgo.DecodeHeadersMsg(answer.Message.Headers); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// skew is how far the clocks of senders' times and of the server may differ where a
// place is looked for by time.
const skew = 5 * time.Minute

// Start implements reader.Log. By an instant it finds a place that is early enough; the
// reader leaves out what comes too early.
func (l storeLog) Start(ctx context.Context, st queue.Start) (eventlog.Bounds, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, b, err := l.q.bounds(ctx)
	if err != nil {
		return b, 0, err
	}
	switch {
	case st.After != "":
		at, err := b.After(st.After)
		return b, at, err
	case !st.Since.IsZero():
		at, err := l.q.before(ctx, b, st.Since.Add(time.Duration(s.ahead.Load())-skew))
		return b, at, err
	case st.Now:
		return b, b.Last, nil
	}
	return b, b.Trimmed, nil
}

// before returns the last sequence number that was stored before t, within the bounds.
func (q *Store) before(ctx context.Context, b eventlog.Bounds, t time.Time) (int64, error) {
	list, err := q.direct(ctx, direct{StartTime: &t, Batch: 1})
	if err != nil {
		return 0, q.fault(err)
	}
	if len(list) == 0 {
		return b.Last, nil // everything is older
	}
	return min(max(list[0].seq-1, b.Trimmed), b.Last), nil
}

// locate returns behind which sequence number a group begins: by an instant, exactly.
func (q *Store) locate(ctx context.Context, st queue.Start) (eventlog.Bounds, int64, error) {
	b, at, err := storeLog{q}.Start(ctx, st)
	if err != nil || st.After != "" || st.Since.IsZero() {
		return b, at, err
	}
	for at < b.Last {
		_, events, err := storeLog{q}.Read(ctx, remote.Piece{From: at + 1, To: b.Last, N: 256, NoBodies: true})
		if err != nil {
			return b, 0, err
		}
		for i := range events {
			if !events[i].ReceivedAt.Before(st.Since) {
				return b, at, nil
			}
			at++
		}
		if len(events) == 0 {
			break
		}
	}
	return b, at, nil
}
