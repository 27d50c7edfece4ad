package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"slackmcp/store/state"
)

// Subscriptions are divided into shards; each shard is worked by the process that holds
// its lease.
const shards = 16

const (
	// leaseTTL is how long a lease lasts that is not renewed: the pause in deliveries after
	// a crash.
	leaseTTL = 20 * time.Second
	// leaseTrust is how long after its last renewal a process relies on a lease. What lies
	// between is for a delivery that is under way to end in.
	leaseTrust = 12 * time.Second
)

func shardOf(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	return int(h.Sum32() % shards)
}

// A share is the shards that this process works. Which process should have a shard is
// decided by all of them alike, from the list of those that are alive; the lease makes
// sure that two never do at once while they see different lists.
type share struct {
	state     state.Store
	exclusive bool
	name      string // of this process

	mu   sync.Mutex
	held map[int]lease // by shard
}

type lease struct {
	version string
	renewed time.Time
}

func newShare(s state.Store, exclusive bool) *share {
	return &share{state: s, exclusive: exclusive, name: rand.Text(), held: map[int]lease{}}
}

// has reports whether this process works a subscription.
func (s *share) has(id string) bool {
	if s.exclusive {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.held[shardOf(id)]
	return ok && time.Since(l.renewed) < leaseTrust
}

// lost lists the shards whose lease can be relied on no longer, and gives them up.
func (s *share) lost() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []int
	for shard, l := range s.held {
		if time.Since(l.renewed) >= leaseTrust {
			list = append(list, shard)
			delete(s.held, shard)
		}
	}
	return list
}

// round renews the leases, takes what is ours, and gives up what is another's: halt is
// called before, and returns when nothing of those shards runs any more. Without
// subscriptions there is nothing to hold.
func (s *share) round(ctx context.Context, wanted bool, halt func(shards []int)) error {
	if s.exclusive {
		return nil
	}
	if !wanted {
		s.leave(ctx)
		return nil
	}
	halt(s.lost())
	if _, err := s.state.Put(ctx, memberKeys+s.name, []byte("{}"), state.Put{TTL: leaseTTL}); err != nil {
		return err
	}
	members, err := list(ctx, s.state, memberKeys)
	if err != nil {
		return err
	}
	var errs []error
	for shard := range shards {
		errs = append(errs, s.settle(ctx, shard, s.name == winner(members, shard), halt))
	}
	return errors.Join(errs...)
}

// settle takes, renews or gives up one shard.
func (s *share) settle(ctx context.Context, shard int, ours bool, halt func(shards []int)) error {
	key := leaseKeys + strconv.Itoa(shard)
	s.mu.Lock()
	l, held := s.held[shard]
	s.mu.Unlock()
	switch {
	case !held && !ours:
		return nil
	case held && !ours:
		halt([]int{shard})
		s.drop(shard)
		return ignore(s.state.Delete(ctx, key, l.version))
	}
	when := state.Put{TTL: leaseTTL, IfVersion: l.version, IfAbsent: !held}
	asked := time.Now()
	version, err := s.state.Put(ctx, key, []byte(strconv.Quote(s.name)), when)
	switch {
	case errors.Is(err, state.ErrConflict) && held:
		halt([]int{shard})
		s.drop(shard)
		return nil
	case errors.Is(err, state.ErrConflict):
		return nil // another still has it
	case err != nil:
		return fmt.Errorf("lease %d: %w", shard, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[shard] = lease{version: version, renewed: asked}
	return nil
}

func (s *share) drop(shard int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, shard)
}

// leave gives every lease back. Nothing may run any more.
func (s *share) leave(ctx context.Context) {
	if s.exclusive {
		return
	}
	s.mu.Lock()
	held := s.held
	s.held = map[int]lease{}
	s.mu.Unlock()
	if len(held) == 0 {
		return
	}
	for shard, l := range held {
		_ = s.state.Delete(ctx, leaseKeys+strconv.Itoa(shard), l.version) // it expires
	}
	_ = s.state.Delete(ctx, memberKeys+s.name, "")
}

// winner is the process that should have a shard: each has its own rank for each shard,
// so that one that comes or goes moves no more than its part.
func winner(members []state.Entry, shard int) string {
	var best [sha256.Size]byte
	name := ""
	for _, m := range members {
		member := m.Key[len(memberKeys):]
		if rank := sha256.Sum256([]byte(member + "/" + strconv.Itoa(shard))); name == "" || bytes.Compare(rank[:], best[:]) > 0 {
			best, name = rank, member
		}
	}
	return name
}

func ignore(err error) error {
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}

// The prefixes of the keys.
const (
	subscriptionKeys = "subscriptions/"
	deliveryKeys     = "deliveries/"
	letterKeys       = "delivery-letters/"
	leaseKeys        = "delivery-leases/"
	memberKeys       = "delivery-members/"
	callbackKeys     = "callbacks/"
)

// short is a name as a part of a key: names of principals hold whatever issuers like.
func short(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// listPage is how many entries are read at once.
const listPage = 500

// list reads every entry below a prefix.
func list(ctx context.Context, s state.Store, prefix string) ([]state.Entry, error) {
	var all []state.Entry
	after := ""
	for {
		page, err := s.List(ctx, prefix, after, listPage)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		all = append(all, page...)
		if len(page) < listPage {
			return all, nil
		}
		after = page[len(page)-1].Key
	}
}

// put writes a value as JSON.
func put(ctx context.Context, s state.Store, key string, v any, p state.Put) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", key, err)
	}
	return s.Put(ctx, key, b, p)
}
