package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"slackmcp/store/state"
)

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
