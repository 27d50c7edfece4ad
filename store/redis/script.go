package redis

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/webhook/event"
)

//go:embed lua/*.lua
var sources embed.FS

// The scripts are the whole of what changes the store. Each is sent by its digest, and
// in full when the server does not know it: after a restart or a failover.
var (
	publishScript  = script("common", "trim", "publish")
	readScript     = script("common", "trim", "read")
	startScript    = script("common", "trim", "locate", "start")
	getScript      = script("common", "get")
	registerScript = script("common", "trim", "locate", "register")
	takeScript     = script("common", "take")
	extendScript   = script("common", "extend")
	settleScript   = script("common", "settle")
	lettersScript  = script("common", "letters")
	deadScript     = script("common", "dead")
	dropScript     = script("common", "drop")
	sweepScript    = script("common", "trim", "sweep")
	statsScript    = script("common", "stats")
	statesScript   = script("common", "states")

	getValueScript    = script("state-common", "state-get")
	putValueScript    = script("state-common", "state-put")
	deleteValueScript = script("state-common", "state-delete")
	listValuesScript  = script("state-common", "state-list")
	sweepValuesScript = script("state-common", "state-sweep")
)

// script joins parts of the lua folder to one script.
func script(parts ...string) *goredis.Script {
	var b strings.Builder
	for _, name := range parts {
		text, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // the file is compiled in
		}
		b.Write(text)
	}
	return goredis.NewScript(b.String())
}

// eval runs a script and returns its answer, a list.
func (q *Store) eval(ctx context.Context, s *goredis.Script, keys []string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	v, err := s.Run(ctx, q.client, keys, args...).Slice()
	if err != nil {
		return nil, q.fault(err)
	}
	return v, nil
}

// evalInt runs a script whose answer is a number.
func (q *Store) evalInt(ctx context.Context, s *goredis.Script, keys []string, args ...any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := s.Run(ctx, q.client, keys, args...).Int()
	if err != nil {
		return 0, q.fault(err)
	}
	return n, nil
}

// errReply says that a script's answer has not the form that it is written to have:
// the keys belong to another program, or to another version of this one.
var errReply = errors.New("answer of an unexpected form: do the keys of this topic belong to another program?")

// A reply reads a script's answer from the front; after a mismatch it returns zeros.
type reply struct {
	list []any
	err  error
}

func (r *reply) next() any {
	if len(r.list) == 0 {
		r.err = errReply
		return nil
	}
	v := r.list[0]
	r.list = r.list[1:]
	return v
}

func (r *reply) text() string {
	s, ok := r.next().(string)
	if !ok {
		r.err = errReply
	}
	return s
}

func (r *reply) number() int64 {
	n, ok := r.next().(int64)
	if !ok {
		r.err = errReply
	}
	return n
}

// sub returns an answer within the answer.
func (r *reply) sub() *reply {
	list, ok := r.next().([]any)
	if !ok {
		r.err = errReply
	}
	return &reply{list: list}
}

// bounds reads epoch, trimmed and last.
func (r *reply) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: r.text(), Trimmed: r.number(), Last: r.number()}
}

// event reads a record that stands at a sequence number.
func (r *reply) event(epoch string, seq int64) event.Event {
	rec := r.text()
	if r.err != nil {
		return event.Event{}
	}
	e, err := remote.DecodeRecord([]byte(rec))
	if err != nil {
		r.err = fmt.Errorf("event %d: %w", seq, err)
		return event.Event{}
	}
	e.Position = eventlog.Bounds{Epoch: epoch}.Position(seq)
	return e
}

// keys are the names under which a topic is stored. The braces are Redis's hash tag: a
// cluster keeps all of them on one node, so that one script may change several.
type keys struct {
	meta   string // hash: epoch, seq, accepted, mark, trimmed, head (when the oldest event was accepted), passed (see trim.lua)
	log    string // stream: the events, <sequence>-<rank>
	kept   string // stream: events that left the log while a group still has work for them
	ids    string // hash: digest -> sequence:time, of what is in the log or seen within the TTL
	seen   string // stream: digests whose events left the log before their TTL was over
	groups string // hash: name -> cursor, up to which the group has begun the events
	pins   string // hash: sequence -> how many groups have work for it
	prefix string
}

func keysOf(topic string) keys {
	p := "{" + topic + "}:"
	return keys{
		meta: p + "meta", log: p + "log", kept: p + "kept", ids: p + "ids", seen: p + "seen",
		groups: p + "groups", pins: p + "pins", prefix: p,
	}
}

// groupKeys are the names of one group's part.
type groupKeys struct {
	g     string // hash: start, base, rank, adopted, expired, moved
	lease string // sorted set: sequence by when its lease ends
	due   string // sorted set: sequence by when it is due
	retry string // sorted set: what is in due, by sequence
	dead  string // sorted set: dead letters by sequence
	died  string // sorted set: dead letters by time of death
	works string // hash: sequence -> attempts:token:reason, of all that is not simply done
	took  string // sorted set: replayed events from before the group's start
}

func (k keys) group(name string) groupKeys {
	p := k.prefix + "group:" + name
	return groupKeys{
		g: p, lease: p + ":lease", due: p + ":due", retry: p + ":retry",
		dead: p + ":dead", died: p + ":died", works: p + ":works", took: p + ":took",
	}
}
