package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A connector makes clients of one Redis, a Sentinel group or a cluster, all with the same
// bounds. Make it with parse.
type connector struct {
	make func(connections int) goredis.UniversalClient
	text string
}

// client makes a client that holds at most so many connections to each node. The caller
// closes it.
func (c connector) client(connections int) goredis.UniversalClient { return c.make(connections) }

// String names the server without its credentials, for logs.
func (c connector) String() string { return c.text }

// Bounds of one connection. A read that Redis lets wait adds its own waiting time.
const (
	dialTimeout = 2 * time.Second
	ioTimeout   = 3 * time.Second
)

// parse reads a URL; Open's documentation has its forms. Its errors never repeat the URL:
// it may hold a password, also where none belongs.
func parse(raw string) (connector, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return connector{}, errors.New("redis: URL cannot be read: write redis://[user:password@]host:port/database, and percent-encode what is special in the password")
	}
	q := u.Query()
	c := connector{text: u.Scheme + "://" + u.Host + u.Path}
	cluster := q.Get("cluster") == "true" || q.Get("cluster") == "1"
	sentinel := q.Get("master_name") != ""
	several := len(q["addr"]) > 0
	q.Del("cluster")
	u.RawQuery = q.Encode()
	switch {
	case sentinel && cluster:
		err = errors.New("master_name and cluster exclude each other")
	case sentinel:
		err = c.sentinel(u.String())
	case cluster || several:
		err = c.cluster(u.String())
	default:
		err = c.single(u.String())
	}
	if err != nil {
		return connector{}, fmt.Errorf("redis: URL: %s", scrub(err.Error(), u))
	}
	return c, nil
}

func (c *connector) single(raw string) error {
	base, err := goredis.ParseURL(raw)
	if err != nil {
		return err
	}
	c.make = func(n int) goredis.UniversalClient {
		o := *base
		o.PoolSize, o.MaxActiveConns = n, n
		o.PipelinePoolSize = -1
		o.Protocol = 2
		o.DisableIdentity = true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		o.ContextTimeoutEnabled = true
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
		o.DialerRetries, o.MaxRetries = 1, 1
		return goredis.NewClient(&o)
	}
	return nil
}

func (c *connector) sentinel(raw string) error {
	base, err := goredis.ParseFailoverURL(raw)
	if err != nil {
		return err
	}
	c.make = func(n int) goredis.UniversalClient {
		o := *base
		o.PoolSize, o.MaxActiveConns = n, n
		o.PipelinePoolSize = -1
		o.Protocol = 2
		o.DisableIdentity = true
		o.ContextTimeoutEnabled = true
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
		o.DialerRetries, o.MaxRetries = 1, 1
		// Reading from a replica would show less than was acknowledged.
		o.ReplicaOnly, o.RouteByLatency, o.RouteRandomly = false, false, false
		return goredis.NewFailoverClient(&o)
	}
	return nil
}

func (c *connector) cluster(raw string) error {
	base, err := goredis.ParseClusterURL(raw)
	if err != nil {
		return err
	}
	c.make = func(n int) goredis.UniversalClient {
		o := *base
		o.PoolSize, o.MaxActiveConns = n, n
		o.PipelinePoolSize = -1
		o.Protocol = 2
		o.DisableIdentity = true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		o.ContextTimeoutEnabled = true
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
		o.DialerRetries, o.MaxRetries = 1, 1
		o.ReadOnly, o.RouteByLatency, o.RouteRandomly = false, false, false
		return goredis.NewClusterClient(&o)
	}
	return nil
}

// A libraryLog gives the remarks of the client library to a log, where they are details.
type libraryLog struct{ log *slog.Logger }

// Printf implements the library's interface.
func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.LogAttrs(ctx, slog.LevelDebug, "redis client", slog.String("remark", fmt.Sprintf(format, v...)))
}

// refused reports whether Redis answered and will answer the same later: the password is
// wrong, or a permission is missing.
func refused(err error) bool {
	for _, p := range []string{"WRONGPASS", "NOAUTH", "NOPERM", "ERR invalid password", "ERR AUTH", "ERR Client sent AUTH", "ERR DB index"} {
		if strings.Contains(err.Error(), p) {
			return true
		}
	}
	return false
}

// scrub takes a URL's secrets out of a text that was made from it.
func scrub(text string, u *url.URL) string {
	var secrets []string
	if u.User != nil {
		if p, ok := u.User.Password(); ok {
			secrets = append(secrets, p, url.QueryEscape(p), url.PathEscape(p))
		}
		secrets = append(secrets, u.User.String())
	}
	for key, values := range u.Query() {
		if strings.Contains(key, "password") {
			secrets = append(secrets, values...)
		}
	}
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "xxxxx")
		}
	}
	return text
}

// inspect asks for the settings that decide what a crash takes, which words says, and for the memory.
// Managed services forbid CONFIG; INFO has most of it.
func (q *Store) inspect(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	node, err := q.node(ctx)
	if err != nil {
		return nil, q.fault(err)
	}
	known, err := ask(ctx, node)
	if err != nil {
		return nil, q.fault(err)
	}
	return known, nil
}

// node returns the client of the node that has the topic's keys.
func (q *Store) node(ctx context.Context) (goredis.UniversalClient, error) {
	if cluster, ok := q.client.(*goredis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, q.keys.meta)
	}
	return q.client, nil
}

// ask returns what is known of appendonly, appendfsync, save, maxmemory-policy, maxmemory and used_memory.
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
	sections := []string{"replication", "memory", "persistence"}
	if len(known) > 0 {
		sections = sections[:2]
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
		case "used_memory", "maxmemory":
			known[name] = value
		}
	}
}

// bytesOf reads a number of bytes; 0 is also one that is not known.
func bytesOf(value string) int64 {
	n, _ := strconv.ParseInt(value, 10, 64)
	return n
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
