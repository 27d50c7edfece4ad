package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Some senders sign with HMAC-SHA1, of which no forgery is known.
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"hash"
	"io"
	"runtime"
	"strings"
	"sync"
)

// stretch is how much of a long body is hashed before other goroutines get a turn: it takes
// some twenty microseconds. A body can be long before its sender is known, and the scheduler
// would let the hashing go on for ten milliseconds.
const stretch = 32 << 10

// writeBody writes a body to a hash, which never fails.
func writeBody(w io.Writer, body []byte) {
	for len(body) > stretch {
		_, _ = w.Write(body[:stretch])
		body = body[stretch:]
		runtime.Gosched()
	}
	_, _ = w.Write(body)
}

// macs keeps HMACs under one key for use again.
type macs struct{ pool sync.Pool }

func newMACs(of func() hash.Hash, key []byte) *macs {
	return &macs{sync.Pool{New: func() any { return hmac.New(of, key) }}}
}

func (m *macs) get() hash.Hash {
	mac := m.pool.Get().(hash.Hash)
	mac.Reset()
	return mac
}

func (m *macs) put(mac hash.Hash) { m.pool.Put(mac) }

// hashes are those of HMACs, by the name of the algorithm.
var hashes = map[string]func() hash.Hash{"hmac-sha1": sha1.New, "hmac-sha256": sha256.New, "hmac-sha512": sha512.New}

// macKey checks an HMAC of what a recipe says is signed.
type macKey struct{ macs *macs }

func (k macKey) check(c *Claim, body []byte) error {
	mac := k.macs.get()
	defer k.macs.put(mac)
	if err := c.recipe.message(mac, c, body); err != nil {
		return err
	}
	sum, match := mac.Sum(nil), false
	for _, sig := range c.sigs {
		// Every sum is compared, each in constant time.
		match = hmac.Equal(sum, sig) || match
	}
	if !match {
		return ErrMismatch
	}
	return nil
}

// tokenKey checks a constant: what was sent is the secret itself.
type tokenKey struct{ sum [sha256.Size]byte }

func (k tokenKey) check(c *Claim, body []byte) error {
	if err := c.recipe.complete(c, body); err != nil {
		return err
	}
	match := len(c.sigs) > 0
	for _, sig := range c.sigs {
		// Hashes are compared, so that the time does not depend on the secret's length either.
		// Of several values, which are those of several parts of a body, all have to be right.
		sum := sha256.Sum256(sig)
		match = hmac.Equal(sum[:], k.sum[:]) && match
	}
	if !match {
		return ErrMismatch
	}
	return nil
}

// edKey checks an Ed25519 signature.
type edKey struct{ public ed25519.PublicKey }

func (k edKey) check(c *Claim, body []byte) error {
	var message bytes.Buffer
	if err := c.recipe.message(&message, c, body); err != nil {
		return err
	}
	for _, sig := range c.sigs {
		if ed25519.Verify(k.public, message.Bytes(), sig) {
			return nil
		}
	}
	return ErrMismatch
}

// ecKey checks an ECDSA signature on P-256 with SHA-256.
type ecKey struct{ public *ecdsa.PublicKey }

func (k ecKey) check(c *Claim, body []byte) error {
	h := sha256.New()
	if err := c.recipe.message(h, c, body); err != nil {
		return err
	}
	sum := h.Sum(nil)
	for _, sig := range c.sigs {
		if ecdsa.VerifyASN1(k.public, sum, sig) {
			return nil
		}
	}
	return ErrMismatch
}

// errPublicKey says how a public key is written.
var errPublicKey = errors.New("want the sender's public key as it shows it: in hexadecimal, base64 or PEM")

// publicKey reads the bytes of a public key.
func publicKey(text string) ([]byte, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "whpk_")
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	if b, err := hex.DecodeString(text); err == nil {
		return b, nil
	}
	b, err := decode64(text)
	if err != nil {
		return nil, errPublicKey
	}
	return b, nil
}

func newEdKey(text string) (Key, error) {
	b, err := publicKey(text)
	if err != nil {
		return nil, err
	}
	if len(b) == ed25519.PublicKeySize {
		return edKey{b}, nil
	}
	if k, err := x509.ParsePKIXPublicKey(b); err == nil {
		if public, ok := k.(ed25519.PublicKey); ok {
			return edKey{public}, nil
		}
	}
	return nil, errPublicKey
}

func newECKey(text string) (Key, error) {
	b, err := publicKey(text)
	if err != nil {
		return nil, err
	}
	if k, err := x509.ParsePKIXPublicKey(b); err == nil {
		if public, ok := k.(*ecdsa.PublicKey); ok && public.Curve == elliptic.P256() {
			return ecKey{public}, nil
		}
	}
	return nil, errPublicKey
}

// decode64 reads base64 of either alphabet, with or without its padding.
func decode64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	return base64.RawStdEncoding.DecodeString(s)
}

// secretPrefix begins a secret of Standard Webhooks.
const secretPrefix = "whsec_"

// standardSecret reads a secret of Standard Webhooks as senders show it: "whsec_" and base64, with
// "v1," before it, or the base64 alone, of either alphabet.
func standardSecret(secret string) ([]byte, error) {
	text := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(secret), "v1,"), secretPrefix)
	key, err := decode64(text)
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New(`want "whsec_" and 24 to 64 bytes in base64, as the sender shows it`)
	}
	return key, nil
}
