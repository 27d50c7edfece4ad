package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// Trace is where traces go, and which.
type Trace struct {
	Endpoint, TracesEndpoint string
	// Headers is name=value with commas between; see HeaderMap.
	Headers Secret
	Service string
	// Attributes are name=value; see AttributeMap.
	Attributes []string
	// Sampler is OpenTelemetry's name of one, Ratio the share that it keeps.
	Sampler  string
	Ratio    float64
	Disabled bool
}

// URL is where traces are posted, empty for none.
func (t Trace) URL() string {
	switch {
	case t.Disabled:
		return ""
	case t.TracesEndpoint != "":
		return t.TracesEndpoint
	case t.Endpoint != "":
		return strings.TrimRight(t.Endpoint, "/") + "/v1/traces"
	}
	return ""
}

// HeaderMap returns the headers by name.
func (t Trace) HeaderMap() map[string]string { return pairs(splitList(t.Headers.Reveal())) }

// AttributeMap returns the attributes by name.
func (t Trace) AttributeMap() map[string]string { return pairs(t.Attributes) }

func pairs(list []string) map[string]string {
	m := map[string]string{}
	for _, entry := range list {
		if name, value, err := parsePair(entry); err == nil { // Load has seen that it is nil
			m[name] = value
		}
	}
	return m
}

func parsePair(entry string) (name, value string, err error) {
	name, value, ok := strings.Cut(entry, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return "", "", errors.New("write name=value, with commas between")
	}
	value, err = url.QueryUnescape(strings.ReplaceAll(strings.TrimSpace(value), "+", "%2B"))
	if err != nil {
		return "", "", errors.New("write values percent-encoded: a percent sign is %25")
	}
	return name, value, nil
}

func parsePairs(raw string) ([]string, error) {
	list := splitList(raw)
	for _, entry := range list {
		if _, _, err := parsePair(entry); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func parseHeaders(raw string) (Secret, error) {
	_, err := parsePairs(raw)
	return NewSecret(raw), err
}

func parseShare(raw string) (float64, error) {
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, errors.New("write a number from 0 to 1, such as 0.1")
	}
	return f, nil
}
