package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"math"
	"net/http"
)

// single returns the value of a header that has to be there exactly once. Two could
// mean that a proxy and we read different ones.
func single(h http.Header, name string) (string, error) {
	switch vs := h[name]; len(vs) {
	case 0:
		return "", ErrMissing
	case 1:
		if vs[0] == "" {
			return "", ErrMissing
		}
		return vs[0], nil
	default:
		return "", ErrMalformed
	}
}

// optional returns the value of a header that may be missing, but not be there twice.
func optional(h http.Header, name string) (string, error) {
	if len(h[name]) == 0 {
		return "", nil
	}
	return single(h, name)
}

// unixTime reads digits, and nothing but digits. A time that no int64 of seconds
// holds is ill-formed; the year 0 to 292277026596 are not, and are judged as stale.
func unixTime(s string) (int64, error) {
	if s == "" {
		return 0, ErrMalformed
	}
	var t int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrMalformed
		}
		digit := int64(s[i] - '0')
		if t > (math.MaxInt64-digit)/10 {
			return 0, ErrMalformed
		}
		t = t*10 + digit
	}
	if t == 0 {
		return 0, ErrMalformed // 0 stands for "no timestamp" in a Claim
	}
	return t, nil
}

// addHex adds a sum that is written as 64 hexadecimal digits.
func (c *Claim) addHex(s string) error {
	if len(s) != 2*sha256.Size || c.n == maxSums {
		return ErrMalformed
	}
	for i := range sha256.Size {
		hi, ok1 := unhex(s[2*i])
		lo, ok2 := unhex(s[2*i+1])
		if !ok1 || !ok2 {
			return ErrMalformed
		}
		c.sums[c.n][i] = hi<<4 | lo
	}
	c.n++
	return nil
}

// addBase64 adds a sum that is written in base64.
func (c *Claim) addBase64(s string) error {
	var buf [sha256.Size + 3]byte
	if len(s) != base64.StdEncoding.EncodedLen(sha256.Size) || c.n == maxSums {
		return ErrMalformed
	}
	n, err := base64.StdEncoding.Decode(buf[:], []byte(s))
	if err != nil || n != sha256.Size {
		return ErrMalformed
	}
	copy(c.sums[c.n][:], buf[:])
	c.n++
	return nil
}

func unhex(c byte) (v byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
