package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
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

// logTo gives the client library's remarks, which are the process's and not a client's,
// to a log, where they are details.
func logTo(log *slog.Logger) { goredis.SetLogger(libraryLog{log}) }

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
