package redis

// keys are the names under which a topic is stored. The braces are Redis's hash tag: a
// cluster keeps all of them on one node, so that one script may change several.
type keys struct {
	meta   string // hash: epoch, seq, accepted, mark, trimmed, head (when the oldest event was accepted)
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
