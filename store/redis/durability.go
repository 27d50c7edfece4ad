package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// inspect asks for the settings that decide what a crash takes, and says it in words.
// Managed services forbid CONFIG; INFO tells most of it.
func (q *Store) inspect(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	node, err := q.node(ctx)
	if err != nil {
		return "", q.fault(err)
	}
	known, err := ask(ctx, node)
	if err != nil {
		return "", q.fault(err)
	}
	return words(known), nil
}

// node returns the client of the node that has the topic's keys.
func (q *Store) node(ctx context.Context) (goredis.UniversalClient, error) {
	if cluster, ok := q.client.(*goredis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, q.keys.meta)
	}
	return q.client, nil
}

// ask returns what is known of appendonly, appendfsync, save and maxmemory-policy.
func ask(ctx context.Context, client goredis.UniversalClient) (map[string]string, error) {
	known := map[string]string{}
	for _, name := range []string{"appendonly", "appendfsync", "save", "maxmemory-policy"} {
		v, err := client.ConfigGet(ctx, name).Result()
		if err != nil {
			if isReply(err) {
				break
			}
			return nil, err
		}
		maps.Copy(known, v)
	}
	sections := []string{"replication", "persistence", "memory"}
	if len(known) > 0 {
		sections = sections[:1]
	}
	for _, section := range sections {
		info, err := client.Info(ctx, section).Result()
		if err != nil {
			if isReply(err) {
				continue
			}
			return nil, err
		}
		fields(info, known)
	}
	return known, nil
}

// isReply reports whether Redis itself refused, and not the way to it.
func isReply(err error) bool {
	_, ok := errors.AsType[goredis.Error](err)
	return ok && !errors.Is(err, goredis.Nil) && !strings.HasPrefix(err.Error(), "LOADING")
}

// fields reads from INFO what stands for a setting.
func fields(info string, known map[string]string) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "aof_enabled":
			known["appendonly"] = map[string]string{"0": "no", "1": "yes"}[value]
		case "maxmemory_policy":
			known["maxmemory-policy"] = value
		case "connected_slaves":
			known["replicas"] = value
		}
	}
}

// words says what is lost when.
func words(known map[string]string) string {
	var s string
	switch known["appendonly"] {
	case "yes":
		switch fsync := known["appendfsync"]; fsync {
		case "always":
			s = "appendfsync always: a crash or a power loss takes nothing that was acknowledged"
		case "everysec":
			s = "appendfsync everysec: a power loss takes the last 1 to 2 seconds, a crash of redis-server at most what it was about to write while a sync ran"
		case "no":
			s = "appendfsync no: a power loss takes what the operating system had not written, usually up to 30 seconds"
		default:
			s = "append-only file on, its fsync policy is not told: a power loss takes 1 to 2 seconds if it is everysec"
		}
	case "no":
		s = "no append-only file: a crash or a restart of redis-server takes everything since its last snapshot"
		if save, ok := known["save"]; ok && save == "" {
			s = "no append-only file and no snapshots: a crash or a restart of redis-server takes everything"
		}
		s += "; set appendonly yes"
	default:
		s = "redis does not tell whether it has an append-only file: without one a crash or a restart takes everything since its last snapshot"
	}
	if p := known["maxmemory-policy"]; strings.HasPrefix(p, "allkeys-") {
		s += fmt.Sprintf("; maxmemory-policy %s: redis may evict the whole queue when its memory is full, set noeviction", p)
	}
	if n := known["replicas"]; n != "" && n != "0" {
		s += "; a failover to a replica can take what was not replicated yet"
	}
	return s
}
