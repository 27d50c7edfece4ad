package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/queue"
)

// fault says what a failed command means to the queue's caller. Redis's own words are
// kept: they hold no credentials.
func (q *Store) fault(err error) error {
	switch {
	case q.life.Err() != nil, errors.Is(err, goredis.ErrClosed):
		return queue.ErrClosed
	case errors.Is(err, context.Canceled):
		return err
	case strings.HasPrefix(err.Error(), "OOM"), strings.Contains(err.Error(), "OOM command not allowed"):
		return fmt.Errorf("%w: redis has reached its maxmemory: %w", queue.ErrFull, err)
	}
	return fmt.Errorf("%w: redis: %w", queue.ErrUnavailable, err)
}
