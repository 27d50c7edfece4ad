package webhook

import (
	"net/http"
	"strings"
)

// media is what a request says about its body.
type media uint8

const (
	otherMedia media = iota
	jsonMedia
	formMedia
)

// mediaOf reads Content-Type; parameters and case do not matter.
func mediaOf(h http.Header) media {
	v := h["Content-Type"]
	if len(v) != 1 {
		return otherMedia
	}
	t := v[0]
	if t == "application/json" {
		return jsonMedia
	}
	t, _, _ = strings.Cut(t, ";")
	switch t = strings.TrimSpace(t); {
	case strings.EqualFold(t, "application/json"):
		return jsonMedia
	case strings.EqualFold(t, "application/x-www-form-urlencoded"):
		return formMedia
	}
	return otherMedia
}

// encoded reports whether the body is compressed. Nobody in question does that, and
// what is signed would have to be unpacked before anyone could read it.
func encoded(h http.Header) bool {
	for _, v := range h["Content-Encoding"] {
		if v != "" && !strings.EqualFold(v, "identity") {
			return true
		}
	}
	return false
}
