package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// SignSlack puts Slack's two headers for a body into h. It serves who plays Slack: a
// person who tries the endpoint, or a test.
func SignSlack(h http.Header, secret string, at time.Time, body []byte) {
	ts := strconv.FormatInt(at.Unix(), 10)
	h.Set(slackTimestamp, ts)
	h.Set(slackSignature, "v0="+hex.EncodeToString(sum([]byte(secret), []byte("v0:"+ts+":"), body)))
}

// SignHex returns the HMAC of a body in hexadecimal: the value of X-Signature, or of
// "Authorization: Bearer".
func SignHex(secret string, body []byte) string {
	return hex.EncodeToString(sum([]byte(secret), body))
}

func sum(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
