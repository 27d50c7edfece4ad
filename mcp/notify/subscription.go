package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"

	"slackmcp/store/state"
)

// A Key is what makes a subscription: two with the same key are one. Nothing of it
// changes during its life.
type Key struct {
	Principal string
	// URL is the callback, byte for byte as it was given.
	URL string
	// Name and Arguments say what is asked for; Arguments are canonical JSON.
	Name      string
	Arguments json.RawMessage
}

// ID is derived from the key and says nothing of it.
func (k Key) ID() string {
	h := sha256.New()
	for _, part := range []string{k.Principal, k.URL, k.Name, string(k.Arguments)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return "sub_" + hex.EncodeToString(h.Sum(nil)[:16])
}

func (k Key) path() string { return subscriptionKeys + short(k.Principal) + "/" + k.ID() }

// A Subscription is a key with what may change: its secret, its end, and whether an
// operator paused it. It is kept as JSON.
type Subscription struct {
	ID         string          `json:"id"`
	Principal  string          `json:"principal"`
	Credential string          `json:"credential,omitempty"`
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
	URL        string          `json:"url"`

	// Secret signs; until OldUntil, OldSecret does too.
	Secret    string    `json:"secret"`
	OldSecret string    `json:"old_secret,omitempty"`
	OldUntil  time.Time `json:"old_until,omitzero"`

	CreatedAt   time.Time `json:"created_at"`
	RefreshedAt time.Time `json:"refreshed_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	Paused      bool      `json:"paused,omitempty"`

	version string
}

func (s *Subscription) key() Key {
	return Key{Principal: s.Principal, URL: s.URL, Name: s.Name, Arguments: s.Arguments}
}

// callback is the URL as an operator sees it: what stands in a query may be a secret.
func (s *Subscription) callback() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

func decodeSubscription(e state.Entry) (*Subscription, error) {
	s := &Subscription{}
	if err := json.Unmarshal(e.Value, s); err != nil {
		return nil, err
	}
	s.version = e.Version
	return s, nil
}
