package rows

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin/seal"
)

// Where rows stand in the state.
const (
	// Prefix begins the keys of sign-ins: the hash of the person and the sign-in's own half follow.
	Prefix      = "signins/"
	codePrefix  = "signin-codes/"
	statePrefix = "signin-states/"
)

// Prefixes begin the keys of all rows that this package writes.
func Prefixes() []string { return []string{Prefix, codePrefix, statePrefix} }

// How long things hold.
const (
	// AccessLife is how long an access token is good for, RefreshLife a refresh token that is not
	// used.
	AccessLife  = time.Hour
	RefreshLife = 90 * 24 * time.Hour
	// Grace is for how long a refresh token that was just used, and its successor, give the same pair
	// again: clients refresh several times at once, and some of those calls begin with the successor.
	Grace = 30 * time.Second
	// CodeLife is how long a code may be exchanged. It is kept for codeKept, so that a replay is
	// seen.
	CodeLife = time.Minute
	codeKept = 10 * time.Minute
	// StateLife is how long a browser has for Slack's pages.
	StateLife = 10 * time.Minute
	// usedEvery is how often the time of the last use is written.
	usedEvery = time.Hour
	// readReuse is how long a row that was read counts.
	readReuse = 5 * time.Second
)

// Bounds.
const (
	maxAccess = 8
	// MaxSignIns is how many sign-ins one person has: another one ends that which was unused for
	// longest.
	MaxSignIns = 40
	halfBytes  = 16 // of each half of a row's name
)

// The kinds of tokens, by which they begin.
const (
	accessKind  = "swa"
	refreshKind = "swr"
)

// A row is what is kept of a sign-in. Of tokens it has the hashes alone.
type row struct {
	Person    access.Person  `json:"person"`
	Name      string         `json:"name"`
	Workspace string         `json:"workspace"`
	Client    string         `json:"client"` // hash of the client's id
	ClientIs  string         `json:"client_name"`
	Host      string         `json:"host"` // of the redirect
	Scopes    []access.Scope `json:"scopes"`
	Created   time.Time      `json:"created"`
	Used      time.Time      `json:"used"`
	// Family proves of a refresh token that it was one of this sign-in's.
	Family  []byte    `json:"family"`
	Refresh []byte    `json:"refresh"`
	Until   time.Time `json:"until"`
	// Before is the refresh token that was used last, and Successor what it gave, sealed under it;
	// Own is the same pair, sealed under Refresh. Both hold until Again.
	Before    []byte    `json:"before,omitempty"`
	Successor []byte    `json:"successor,omitempty"`
	Own       []byte    `json:"own,omitempty"`
	Again     time.Time `json:"again"`
	Access    []granted `json:"access"`
}

// granted is one access token. Its scopes are the sign-in's, unless the client asked for fewer.
type granted struct {
	Hash   []byte         `json:"hash"`
	Until  time.Time      `json:"until"`
	Scopes []access.Scope `json:"scopes,omitempty"`
}

// personHash is the half of a row's name that all sign-ins of a person have.
func personHash(p access.Person) string {
	text, _ := json.Marshal(p) // strings always encode
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:halfBytes])
}

func newHalf() string {
	b := make([]byte, halfBytes)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

var halfText = base64.RawURLEncoding.EncodedLen(halfBytes)

// keyOf is the key of a sign-in's row, by its id, or "" for what is no id.
func keyOf(id string) string {
	if len(id) != 2*halfText || !plainText(id) {
		return ""
	}
	return Prefix + id[:halfText] + "/" + id[halfText:]
}

// IsID reports whether a text has the form of a sign-in's id.
func IsID(text string) bool { return keyOf(text) != "" }

// idOf is the id of the sign-in whose row has the key, or "".
func idOf(key string) string {
	id := strings.Replace(strings.TrimPrefix(key, Prefix), "/", "", 1)
	if keyOf(id) != key {
		return ""
	}
	return id
}

// plainText reports whether a text has only characters that every part of a token may have.
func plainText(s string) bool {
	const known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return strings.Trim(s, known) == ""
}

// A secret is the last part of a token: random bytes, and the proof of the family that they come
// from.
const (
	randomBytes = 24
	proofBytes  = 16
)

func newSecret(family []byte, kind string) string {
	b := make([]byte, randomBytes, randomBytes+proofBytes)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(append(b, proof(family, kind, b)...))
}

func proof(family []byte, kind string, random []byte) []byte {
	h := hmac.New(sha256.New, family)
	h.Write([]byte(kind))
	h.Write(random)
	return h.Sum(nil)[:proofBytes]
}

// ofFamily reports whether a secret was once given by the sign-in, so that a guess ends nothing.
func (r *row) ofFamily(kind, secret string) bool {
	b, err := base64.RawURLEncoding.DecodeString(secret)
	return err == nil && len(b) == randomBytes+proofBytes && hmac.Equal(b[randomBytes:], proof(r.Family, kind, b[:randomBytes]))
}

func tokenText(kind, id, secret string) string { return kind + "." + id + "." + secret }

// maxToken bounds what is looked at as a token, in bytes.
const maxToken = 256

// parseToken returns the parts of a token; ok is false for what is none of ours.
func parseToken(token string) (kind, id, secret string, ok bool) {
	if len(token) > maxToken {
		return "", "", "", false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || (parts[0] != accessKind && parts[0] != refreshKind) || keyOf(parts[1]) == "" || parts[2] == "" || !plainText(parts[2]) {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// is reports whether a secret has the hash. No hash is nobody's.
func is(kept []byte, secret string) bool {
	return len(kept) == sha256.Size && subtle.ConstantTimeCompare(kept, hash(secret)) == 1
}

// A pair is what a client is given; it is kept for the time of the grace, sealed under the refresh
// token that gave it.
type pair struct {
	Access, Refresh string // secrets
	Until           time.Time
	Scopes          []access.Scope
}

// give adds an access token and returns its secret.
func (r *row) give(now time.Time, scopes []access.Scope) (secret string, until time.Time) {
	secret, until = newSecret(r.Family, accessKind), now.Add(AccessLife)
	r.Access = slices.DeleteFunc(r.Access, func(g granted) bool { return !g.Until.After(now) })
	if over := len(r.Access) - (maxAccess - 1); over > 0 {
		r.Access = slices.Delete(r.Access, 0, over) // the oldest
	}
	g := granted{Hash: hash(secret), Until: until}
	if len(scopes) < len(r.Scopes) {
		g.Scopes = scopes
	}
	r.Access = append(r.Access, g)
	return secret, until
}

// next gives a pair, of which the refresh token is the row's from now on.
func (r *row) next(now time.Time, scopes []access.Scope) pair {
	p := pair{Refresh: newSecret(r.Family, refreshKind), Scopes: scopes}
	p.Access, p.Until = r.give(now, scopes)
	r.Refresh, r.Until, r.Used = hash(p.Refresh), now.Add(RefreshLife), now
	return p
}

// rotate puts a new pair in the place of the refresh token, which keeps giving it for the grace.
func (r *row) rotate(key, used string, now time.Time, scopes []access.Scope) (p pair, err error) {
	r.Before, r.Again = r.Refresh, now.Add(Grace)
	p = r.next(now, scopes)
	if r.Successor, err = sealPair(key, used, p); err == nil {
		r.Own, err = sealPair(key, p.Refresh, p)
	}
	return p, err
}

// An outcome is what became of a refresh token.
type outcome int

const (
	refused  outcome = iota
	rotated          // the row has changed
	repeated         // it gave again what it gave
	reused           // it came back too late
)

// refresh exchanges a refresh token.
func (r *row) refresh(key, secret string, now time.Time, scopes []access.Scope) (pair, outcome, error) {
	if len(scopes) == 0 {
		scopes = r.Scopes
	}
	if slices.ContainsFunc(scopes, func(s access.Scope) bool { return !slices.Contains(r.Scopes, s) }) {
		return pair{}, refused, ErrScope
	}
	own := is(r.Refresh, secret)
	switch young := now.Before(r.Again); {
	case young && own:
		if p, err := openPair(key, secret, r.Own); err == nil && slices.Equal(p.Scopes, scopes) {
			return p, repeated, nil
		}
	case young && is(r.Before, secret):
		p, err := openPair(key, secret, r.Successor)
		return p, repeated, err
	}
	if !own {
		return pair{}, reused, nil
	}
	p, err := r.rotate(key, secret, now, scopes)
	if err != nil {
		return p, refused, err
	}
	return p, rotated, nil
}

// sealPair seals a pair for the row with the key, and openPair opens it.
func sealPair(key, token string, p pair) ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	s, err := pairSealer(token)
	if err != nil {
		return nil, err
	}
	return s.Seal(key, text), nil
}

func openPair(key, token string, sealed []byte) (p pair, err error) {
	s, err := pairSealer(token)
	if err != nil {
		return p, err
	}
	text, err := s.Open(key, sealed)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(text, &p)
}

// pairSealer seals under a token, which alone opens it.
func pairSealer(token string) (*seal.Sealer, error) {
	sum := sha256.Sum256([]byte("successor\x00" + token))
	ring, err := seal.NewKeyring(sum[:])
	if err != nil {
		return nil, err
	}
	return ring.For("successor")
}

// scopesOf are the scopes of an access token that is good at a moment, or ok is false.
func (r *row) scopesOf(secret string, now time.Time) (scopes []access.Scope, ok bool) {
	for _, g := range r.Access {
		if is(g.Hash, secret) && g.Until.After(now) {
			if g.Scopes != nil {
				return g.Scopes, true
			}
			return r.Scopes, true
		}
	}
	return nil, false
}
