package transport

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// A session id is 16 random bytes and the first 16 of their HMAC with the name of
// the principal, so a forged or borrowed one is refused without a look-up, on every
// replica that has the key.
const (
	idNonceBytes = 16
	idMACBytes   = 16
)

type signer struct{ key []byte }

func (s signer) mint(principal string) string {
	id := make([]byte, idNonceBytes, idNonceBytes+idMACBytes)
	rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(append(id, s.mac(id, principal)...))
}

func (s signer) valid(id, principal string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != idNonceBytes+idMACBytes {
		return false
	}
	return hmac.Equal(raw[idNonceBytes:], s.mac(raw[:idNonceBytes], principal))
}

func (s signer) mac(nonce []byte, principal string) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("mcp session\x00"))
	h.Write(nonce)
	h.Write([]byte(principal))
	return h.Sum(nil)[:idMACBytes]
}
