package rows

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/store/state"
)

// A Code is what a client may exchange a code for.
type Code struct {
	// Client is the hash of the client's id; ClientName what it calls itself, and ClientHost the host
	// of its redirect, both for people to read.
	Client     string `json:"client"`
	ClientName string `json:"client_name"`
	ClientHost string `json:"client_host"`
	// Redirect is where the code is sent, Challenge the hash of the verifier, Resource what the
	// tokens are for: to the letter.
	Redirect  string         `json:"redirect"`
	Challenge string         `json:"challenge"`
	Resource  string         `json:"resource"`
	Account   signin.Account `json:"account"`
	Scopes    []access.Scope `json:"scopes"`
}

// kept is a code's row.
type kept struct {
	Code
	Until time.Time `json:"until"`
	// Gave is the sign-in that the code has given: it is used.
	Gave string `json:"gave,omitempty"`
}

// codeKey is where a code's row stands: under its hash, so that the store does not tell codes.
func codeKey(code string) string {
	return codePrefix + base64.RawURLEncoding.EncodeToString(hash(code))
}

// NewCode returns a code, which may be exchanged once within CodeLife.
func (s *SignIns) NewCode(ctx context.Context, c Code) (string, error) {
	value, err := json.Marshal(kept{Code: c, Until: s.opt.Now().Add(CodeLife)})
	if err != nil {
		return "", err
	}
	code := rand.Text() + rand.Text()
	if _, err = s.rows.Put(ctx, codeKey(code), value, state.Put{IfAbsent: true, TTL: codeKept}); err != nil {
		return "", unavailable(err)
	}
	return code, nil
}

// Exchange gives the tokens of a code, once. The client is asked first whether the code is its own:
// what mine returns is returned. A code that comes back ends what it has given. Errors are ErrInvalid,
// or wrap signin.ErrUnavailable.
func (s *SignIns) Exchange(ctx context.Context, code string, mine func(Code) error) (Issued, error) {
	if len(code) > maxToken {
		return Issued{}, ErrInvalid
	}
	e, err := s.rows.Get(ctx, codeKey(code))
	if errors.Is(err, state.ErrNotFound) {
		return Issued{}, ErrInvalid
	}
	if err != nil {
		return Issued{}, unavailable(err)
	}
	var k kept
	if json.Unmarshal(e.Value, &k) != nil {
		return Issued{}, ErrInvalid
	}
	if k.Gave != "" {
		return Issued{}, s.replayed(ctx, k)
	}
	if err := mine(k.Code); err != nil {
		return Issued{}, err
	}
	if !k.Until.After(s.opt.Now()) {
		return Issued{}, ErrInvalid
	}
	given, err := s.open(ctx, k.Code)
	if err != nil {
		return Issued{}, err
	}
	// The sign-in is there before the code says that it gave it, so that a replay finds it.
	k.Gave = given.SignIn
	value, err := json.Marshal(k)
	if err == nil {
		_, err = s.rows.Put(ctx, e.Key, value, state.Put{IfVersion: e.Version, TTL: codeKept})
	}
	if err == nil {
		return given, nil
	}
	_, _ = s.End(ctx, given.SignIn) // nobody has its tokens, and it goes by itself
	if !errors.Is(err, state.ErrConflict) {
		return Issued{}, unavailable(err)
	}
	if e, err = s.rows.Get(ctx, e.Key); err != nil || json.Unmarshal(e.Value, &k) != nil {
		return Issued{}, ErrInvalid
	}
	return Issued{}, s.replayed(ctx, k)
}

// replayed ends what a code has given.
func (s *SignIns) replayed(ctx context.Context, k kept) error {
	s.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a code came back after it was exchanged; what it gave ends",
		slog.String("person", k.Account.Person.String()), slog.String("sign_in", k.Gave))
	if _, err := s.End(ctx, k.Gave); err != nil && !errors.Is(err, ErrInvalid) {
		return err
	}
	return ErrInvalid
}

// UseState marks the state of a transaction as used, and returns ErrInvalid when it is already.
func (s *SignIns) UseState(ctx context.Context, text string) error {
	key := statePrefix + base64.RawURLEncoding.EncodeToString(hash(text))
	_, err := s.rows.Put(ctx, key, nil, state.Put{IfAbsent: true, TTL: StateLife})
	switch {
	case errors.Is(err, state.ErrConflict):
		return ErrInvalid
	case err != nil:
		return unavailable(err)
	}
	return nil
}
