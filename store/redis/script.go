package redis

import (
	"context"
	"embed"
	"strings"

	goredis "github.com/redis/go-redis/v9"
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
