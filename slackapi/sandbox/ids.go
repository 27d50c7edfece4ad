package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// newID makes the next id of a kind: its letters and nine capitals and digits.
func (s *Sandbox) newID(prefix string) string {
	s.serial++
	return prefix + "0S" + fmt.Sprintf("%08s", strings.ToUpper(strconv.FormatUint(s.serial, 36)))
}

// newTS makes a message's ts: the time in microseconds, later than any before.
func (s *Sandbox) newTS() string {
	s.lastMicro = max(time.Now().UnixMicro(), s.lastMicro+1)
	return formatTS(s.lastMicro)
}

// nowMicro is the time of the workspace, which no ts is ahead of.
func (s *Sandbox) nowMicro() int64 { return max(time.Now().UnixMicro(), s.lastMicro) }

func formatTS(micro int64) string {
	return fmt.Sprintf("%d.%06d", micro/1e6, micro%1e6)
}

// parseTS reads a ts, or a number of seconds, as microseconds.
func parseTS(ts string) (int64, bool) {
	sec, frac, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || n < 0 || n > 1e12 || len(frac) > 6 {
		return 0, false
	}
	frac += strings.Repeat("0", 6-len(frac))
	f, err := strconv.ParseInt(frac, 10, 64)
	if err != nil || f < 0 {
		return 0, false
	}
	return n*1e6 + f, true
}

// digest is a short stable name made of parts: a client_msg_id, a block id, a hash.
func digest(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:n]
}

func uuidOf(parts ...string) string {
	d := digest(32, parts...)
	return d[:8] + "-" + d[8:12] + "-4" + d[13:16] + "-a" + d[17:20] + "-" + d[20:]
}

func encodeCursor(kind, at string) string {
	return base64.StdEncoding.EncodeToString([]byte(kind + ":" + at))
}

// decodeCursor returns where a cursor of a kind points; ok is false for any other text.
func decodeCursor(kind, cursor string) (at string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(cursor)
	if err != nil {
		return "", false
	}
	k, at, found := strings.Cut(string(raw), ":")
	return at, found && k == kind
}
