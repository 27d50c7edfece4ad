package operator

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var age = regexp.MustCompile(`^([0-9]{1,6})(s|m|h|d|w)$`)

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// unixTime is seconds since 1970, with a fraction as Slack's ts have it.
var unixTime = regexp.MustCompile(`^([0-9]{9,11})(?:\.([0-9]{1,9}))?$`)

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// ParseTime reads an instant as people write it: an age (90s, 15m, 2h, 1d, 2w), RFC 3339
// or a part of it (UTC without a zone), a ts or Unix seconds. "" is the zero time.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	if m := age.FindStringSubmatch(s); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return now.Add(-time.Duration(n) * units[m[2]]), nil
		}
	}
	if m := unixTime.FindStringSubmatch(s); m != nil {
		sec, err := strconv.ParseInt(m[1], 10, 64)
		nano, nanoErr := strconv.ParseInt((m[2] + "000000000")[:9], 10, 64)
		if err == nil && nanoErr == nil {
			return time.Unix(sec, nano), nil
		}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write an age (90s, 15m, 2h, 1d, 2w), RFC 3339 (2026-01-31T09:00:00Z), a day (2026-01-31) or a ts", s)
}
