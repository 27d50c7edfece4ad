package tools

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
)

// whenDoc is what the schemas say about an argument that is an instant.
const whenHelp = "write an instant as a ts (1700000000.123456), as ISO 8601 (2026-01-31 or 2026-01-31T09:00:00Z), or as an age (90s, 15m, 2h, 1d, 2w)"

var age = regexp.MustCompile(`^([0-9]{1,6})\s*([smhdw])$`)

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// layouts are the forms of ISO 8601 that people write; without a zone they are UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// instant reads a point in time; "" is the zero time.
func instant(argument, s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today":
		return now.UTC().Truncate(24 * time.Hour), nil
	case "yesterday":
		return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -1), nil
	}
	if m := age.FindStringSubmatch(strings.ToLower(s)); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			return now.Add(-time.Duration(n) * units[m[2]]), nil
		}
	}
	if t, ok := fromTS(s); ok {
		return t, nil
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &toolset.ArgumentError{Argument: argument, Problem: whenHelp}
}

// fromTS reads a ts, or Unix seconds.
func fromTS(s string) (time.Time, bool) {
	seconds, micros, _ := strings.Cut(s, ".")
	if !names.IsTS(s) && (micros != "" || len(seconds) < 9 || len(seconds) > 12) {
		return time.Time{}, false
	}
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	usec := int64(0)
	if micros != "" {
		if usec, err = strconv.ParseInt(micros, 10, 64); err != nil {
			return time.Time{}, false
		}
	}
	return time.Unix(sec, usec*1000), true
}

// slackTS reads an instant as Slack's methods take it; a ts stays as it was written.
func slackTS(argument, s string, now time.Time) (string, error) {
	if s = strings.TrimSpace(s); names.IsTS(s) {
		return s, nil
	}
	t, err := instant(argument, s, now)
	if err != nil || t.IsZero() {
		return "", err
	}
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000), nil
}

// upcoming reads a point in time that is still to come: an age is how far ahead it is.
func upcoming(argument, s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "in "))
	if m := age.FindStringSubmatch(strings.ToLower(strings.TrimPrefix(s, "+"))); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return now.Add(time.Duration(n) * units[m[2]]), nil
		}
	}
	t, err := instant(argument, s, now)
	if err != nil {
		return time.Time{}, &toolset.ArgumentError{Argument: argument, Problem: "write a time to come as ISO 8601 with its zone (2026-01-31T09:00:00+01:00), as Unix seconds, or as how far ahead it is (30m, 2h, 1d)"}
	}
	if !t.After(now) {
		return time.Time{}, &toolset.ArgumentError{Argument: argument, Problem: "it is in the past"}
	}
	return t, nil
}
