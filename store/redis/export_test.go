package redis

import goredis "github.com/redis/go-redis/v9"

// PublishScript is the dedupe-and-append script, for measuring what Redis itself can do.
func PublishScript() *goredis.Script { return publishScript }

// PublishKeys are the keys of that script.
func PublishKeys(topic string) []string {
	k := keysOf(topic)
	return []string{k.meta, k.log, k.kept, k.ids, k.seen, k.groups, k.pins}
}
