package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The errors of this file are remedies: they say how to write the value and never
// repeat it, because it may be a secret in the wrong place.

func parseText(raw string) (string, error) {
	if strings.ContainsFunc(raw, unicode.IsControl) {
		return "", errors.New("write it without control characters")
	}
	return raw, nil
}

func parseChoice(raw string, words []string) (string, error) {
	for _, word := range words {
		if strings.EqualFold(raw, word) {
			return word, nil
		}
	}
	remedy := "write one of " + strings.Join(words, ", ")
	if near, ok := Nearest(strings.ToLower(raw), words); ok {
		remedy += " (did you mean " + near + "?)"
	}
	return "", errors.New(remedy)
}

func parseBool(raw string) (bool, error) {
	switch strings.ToLower(raw) {
	case "true", "yes", "on", "y", "t", "1":
		return true, nil
	case "false", "no", "off", "n", "f", "0":
		return false, nil
	}
	return false, errors.New("write true or false")
}

func parseLockdown(raw string) (Lockdown, error) {
	if strings.EqualFold(raw, string(LockdownMembers)) {
		return LockdownMembers, nil
	}
	on, err := parseBool(raw)
	switch {
	case err != nil:
		return LockdownOff, errors.New("write true, false or members")
	case on:
		return LockdownOn, nil
	}
	return LockdownOff, nil
}

// appID is how Slack writes an app's id.
var appID = regexp.MustCompile(`^A[A-Z0-9]{6,20}$`)

// parseZone reads a name of the IANA database. What "Local" is depends on the machine.
func parseZone(raw string) (*time.Location, error) {
	zone, err := time.LoadLocation(raw)
	if err != nil || raw == "" || raw == "Local" {
		return nil, errors.New("write a time zone of the IANA database, such as Europe/Berlin or UTC")
	}
	return zone, nil
}

func parseApps(raw string) ([]string, error) {
	apps := splitList(raw)
	for _, app := range apps {
		if !appID.MatchString(app) {
			return nil, errors.New("write the ids of apps, such as A0123456789 (in Slack, an app's page of details ends in it)")
		}
	}
	return apps, nil
}

func parseNumber(raw string, least, most int) (int, error) {
	n, err := strconv.Atoi(plainDigits(raw))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("write a whole number from %d to %d", least, most)
	}
	return n, nil
}

// plainDigits takes out what people part thousands with.
func plainDigits(raw string) string {
	groups := strings.FieldsFunc(raw, func(r rune) bool { return r == '_' || r == ',' })
	for i, group := range groups {
		if i > 0 && len(group) != 3 || i == 0 && len(groups) > 1 && len(group) > 3 {
			return raw
		}
	}
	return strings.Join(groups, "")
}

// parseTimes counts how often a switch was said: --x --x arrives as "true,true".
func parseTimes(raw string) (int, error) {
	if n, err := strconv.Atoi(raw); err == nil && n >= 0 && n <= 2 {
		return n, nil
	}
	times := 0
	for word := range strings.SplitSeq(raw, ",") {
		said, err := parseBool(strings.TrimSpace(word))
		if err != nil {
			return 0, errors.New("write true, or 2 to confirm it beyond this machine")
		}
		if said {
			times++
		}
	}
	return min(times, 2), nil
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// parseDuration reads a plain number as seconds, Go's notation, and days and weeks.
func parseDuration(raw string, least, most time.Duration) (time.Duration, error) {
	d, ok := durationOf(strings.ToLower(strings.ReplaceAll(raw, " ", "")))
	if !ok || d < least || d > most {
		return 0, fmt.Errorf("write a time from %s to %s, for example 90 (seconds), 10m, 48h or 30d", FormatDuration(least), FormatDuration(most))
	}
	return d, nil
}

func durationOf(text string) (time.Duration, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return scale(float64(seconds), time.Second)
	}
	var long time.Duration
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", week}, {"d", day}} {
		count, rest, found := strings.Cut(text, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(count, 10, 32)
		if err != nil {
			return 0, false
		}
		part, ok := scale(float64(n), unit.length)
		if !ok || long > math.MaxInt64-part {
			return 0, false
		}
		long, text = long+part, rest
	}
	if text == "" {
		return long, long > 0
	}
	short, err := time.ParseDuration(text)
	if err != nil || short > math.MaxInt64-long || long > 0 && short < 0 {
		return 0, false
	}
	return long + short, true
}

func scale(n float64, unit time.Duration) (time.Duration, bool) {
	d := n * float64(unit)
	return time.Duration(d), math.Abs(d) < math.MaxInt64
}

// FormatDuration writes a duration as the settings' documents do: 30d, 48h, 90s.
func FormatDuration(d time.Duration) string {
	switch {
	case d != 0 && d%day == 0 && d > 2*day:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d != 0 && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d != 0 && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return d.String()
}

// sizeUnits are powers of 1024, as people mean them, but for kB, MB and GB, which
// are of 1000 as they say.
var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"ki", 1 << 10},
	{"mi", 1 << 20},
	{"gi", 1 << 30},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"k", 1 << 10},
	{"m", 1 << 20},
	{"g", 1 << 30},
	{"b", 1},
	{"", 1},
}

func parseSize(raw string, least, most int64) (int64, error) {
	lower := strings.ToLower(strings.ReplaceAll(raw, " ", ""))
	for _, unit := range sizeUnits {
		count, found := strings.CutSuffix(lower, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(plainDigits(count), 64)
		bytes := n * unit.bytes
		if err == nil && bytes >= float64(least) && bytes <= float64(most) && bytes == math.Trunc(bytes) {
			return int64(bytes), nil
		}
		break
	}
	return 0, fmt.Errorf("write a size from %s to %s, for example 1048576, 512KiB or 1MiB", FormatSize(least), FormatSize(most))
}

// FormatSize writes a number of bytes in the largest unit that fits it whole.
func FormatSize(n int64) string {
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// splitList parts at commas and spaces and leaves out repeats.
func splitList(raw string) []string {
	var items []string
	for item := range strings.FieldsFuncSeq(raw, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

func parsePrefixes(raw string) ([]netip.Prefix, error) {
	var found []netip.Prefix
	for _, item := range splitList(raw) {
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			ip, ipErr := netip.ParseAddr(item)
			if ipErr != nil {
				return nil, errors.New("write addresses or networks with commas between, for example 10.0.0.0/8, 192.0.2.7")
			}
			prefix = netip.PrefixFrom(ip, ip.BitLen())
		}
		found = append(found, prefix.Masked())
	}
	return found, nil
}

// levelWords are what LOG_LEVEL takes, in any case; the last two are Python's.
var levelWords = []string{"debug", "info", "warn", "error", "warning", "critical"}

// LevelCritical is above every level that is logged under, as in the original.
const LevelCritical = slog.LevelError + 4

func parseLevel(raw string) (slog.Level, error) {
	word, err := parseChoice(raw, levelWords)
	switch word {
	case "debug":
		return slog.LevelDebug, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "critical":
		return LevelCritical, nil
	}
	return slog.LevelInfo, err
}

func parseURL(raw string, schemes []string) (string, error) {
	remedy := fmt.Errorf("write a full address such as %s://host.example", schemes[0])
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return "", remedy
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("write it without user, password, query and fragment")
	}
	return raw, nil
}

// parseAddresses checks a comma separated list of addresses of a database.
func parseAddresses(raw string, schemes []string) (string, error) {
	for one := range strings.SplitSeq(raw, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || !slices.Contains(schemes, u.Scheme) || u.Host == "" && u.Path == "" {
			return "", fmt.Errorf("write it as %s://host:port, with special characters of a password percent-encoded", schemes[0])
		}
	}
	return raw, nil
}

// parseUnbroken refuses spaces and line breaks inside a secret that has none.
func parseUnbroken(raw string) (string, error) {
	clean := strings.TrimSpace(raw)
	if strings.ContainsFunc(clean, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return "", errors.New("copy it again: it has a space or a line break inside")
	}
	return clean, nil
}

func parseSecrets(raw string) (Secrets, error) {
	var found Secrets
	for item := range strings.SplitSeq(raw, ",") {
		clean, err := parseUnbroken(item)
		if err != nil {
			return nil, err
		}
		if clean != "" {
			found = append(found, NewSecret(clean))
		}
	}
	if len(found) == 0 {
		return nil, errors.New("write at least one secret between the commas")
	}
	return found, nil
}

// A binding ties a row of the table to its field in Config.
type binding struct {
	// set parses raw into the field. Its error is the remedy: how to write the value.
	set func(c *Config, raw string) error
	// get returns the field's value.
	get func(c *Config) any
	// choices are the words of an enumerated setting.
	choices []string
	// word is the placeholder of a text's value.
	word string
}

// into makes a binding of a field and a parser.
func into[T any](field func(*Config) *T, parse func(string) (T, error)) binding {
	return binding{
		set: func(c *Config, raw string) error {
			value, err := parse(raw)
			if err != nil {
				return err
			}
			*field(c) = value
			return nil
		},
		get: func(c *Config) any { return *field(c) },
	}
}

func text(field func(*Config) *string, word string) binding {
	b := into(field, parseText)
	b.word = word
	return b
}

func choice[T ~string](field func(*Config) *T, values ...T) binding {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	b := into(field, func(raw string) (T, error) {
		word, err := parseChoice(raw, words)
		return T(word), err
	})
	b.choices = words
	return b
}

// alias takes another word for a choice, as clients write it.
func alias(b binding, word, means string) binding {
	set := b.set
	b.set = func(c *Config, raw string) error {
		if strings.EqualFold(raw, word) {
			raw = means
		}
		return set(c, raw)
	}
	return b
}

func boolean(field func(*Config) *bool) binding { return into(field, parseBool) }

func number(field func(*Config) *int, least, most int) binding {
	return into(field, func(raw string) (int, error) { return parseNumber(raw, least, most) })
}

func duration(field func(*Config) *time.Duration, least, most time.Duration) binding {
	return into(field, func(raw string) (time.Duration, error) { return parseDuration(raw, least, most) })
}

func size(field func(*Config) *int64, least, most int64) binding {
	return into(field, func(raw string) (int64, error) { return parseSize(raw, least, most) })
}

func list(field func(*Config) *[]string) binding {
	return into(field, func(raw string) ([]string, error) { return splitList(raw), nil })
}

func prefixes(field func(*Config) *[]netip.Prefix) binding { return into(field, parsePrefixes) }

func address(field func(*Config) *string, schemes ...string) binding {
	return into(field, func(raw string) (string, error) { return parseURL(raw, schemes) })
}

func level(field func(*Config) *slog.Level) binding {
	b := into(field, parseLevel)
	b.choices = slices.Clone(levelWords)
	return b
}

// secret keeps the text as it is: a space may belong to it.
func secret(field func(*Config) *Secret) binding {
	return into(field, func(raw string) (Secret, error) { return NewSecret(raw), nil })
}

// slackSecret refuses what no secret of Slack contains and a bad paste does.
func slackSecret(field func(*Config) *Secret) binding {
	return into(field, func(raw string) (Secret, error) {
		clean, err := parseUnbroken(raw)
		return NewSecret(clean), err
	})
}

func slackSecrets(field func(*Config) *Secrets) binding {
	return into(field, parseSecrets)
}

func secretURL(field func(*Config) *SecretURL, schemes ...string) binding {
	return into(field, func(raw string) (SecretURL, error) {
		clean, err := parseAddresses(raw, schemes)
		return NewSecretURL(clean), err
	})
}

// Nearest finds the word that a misspelt one most likely meant, if any is close: at
// most one edit for every four letters.
func Nearest(word string, among []string) (string, bool) {
	best, distance := "", len(word)/4+1
	for _, candidate := range among {
		if gap := len(word) - len(candidate); gap >= distance || -gap >= distance {
			continue // also what keeps a word of a megabyte cheap
		}
		if d := edits(word, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best, best != ""
}

// edits is the least number of insertions, deletions, replacements and swaps of
// neighbours between two words.
func edits(a, b string) int {
	if strings.EqualFold(a, b) {
		return 0
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		current, last, before := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(last[j]+1, current[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
