package signature

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"slackmcp/webhook/event"
)

// single returns the value of a header that has to be there exactly once. Two could
// mean that a proxy and we read different ones.
func single(h http.Header, name string) (string, error) {
	return only(h[name])
}

// only returns the one value of a list that must have one.
func only(list []string) (string, error) {
	switch {
	case len(list) == 0, len(list) == 1 && list[0] == "":
		return "", ErrMissing
	case len(list) > 1:
		return "", ErrMalformed
	}
	return list[0], nil
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

// readTime reads a time as a sender writes it: "s" are Unix seconds, "ms" milliseconds, and
// "rfc3339" is a date.
func readTime(text, unit string) (int64, error) {
	switch unit {
	case "ms":
		t, err := unixTime(text)
		return max(t/1000, min(t, 1)), err
	case "rfc3339":
		t, err := time.Parse(time.RFC3339, text)
		if err != nil || t.Unix() == 0 {
			return 0, ErrMalformed
		}
		return t.Unix(), nil
	}
	return unixTime(text)
}

// A place is where a value stands in a request: a header, a parameter of the query, or a member
// of a JSON body, which is a field of the same name when the body is a form.
type place struct {
	header, query, member string
	path                  event.Path
}

// parsePlace reads "header:<name>", "query:<name>" or the path of a member.
func parsePlace(s string) (place, error) {
	if name, ok := strings.CutPrefix(s, "header:"); ok && name != "" {
		return place{header: http.CanonicalHeaderKey(name)}, nil
	}
	if name, ok := strings.CutPrefix(s, "query:"); ok && name != "" {
		return place{query: name}, nil
	}
	path, err := event.ParsePath(s)
	return place{member: s, path: path}, err
}

// Places names where a scheme looks for what vouches for a request, in the headers, in the query and in the
// body, and those of them at which there is something.
func Places(s Scheme, r *http.Request, body []byte) (expected, came []string) {
	list := make([]place, 0, len(s.Headers()))
	for _, name := range s.Headers() {
		list = append(list, place{header: http.CanonicalHeaderKey(name)})
	}
	if e, ok := s.(interface{ elsewhere() []place }); ok {
		list = append(list, e.elsewhere()...)
	}
	for i, p := range list {
		name := p.member + " in the body"
		switch {
		case p.header != "":
			name = s.Headers()[i]
		case p.query != "":
			name = p.query + " in the query"
		}
		expected = append(expected, name)
		if p.there(r, body) {
			came = append(came, name)
		}
	}
	return expected, came
}

// there reports whether there is something at the place.
func (p place) there(r *http.Request, body []byte) bool {
	if p.header != "" {
		return len(r.Header[p.header]) > 0
	}
	if p.inBody() && len(body) == 0 {
		return false
	}
	list, err := p.values(r, body)
	return !errors.Is(err, ErrMissing) && (len(list) > 0 || p.query != "")
}

// inBody reports whether the body has to be read for the value.
func (p place) inBody() bool { return p.member != "" }

// values returns the values at the place: one, or of a path with "*" several. Errors: ErrMissing,
// and ErrMalformed for a value that stands there twice or in a body that cannot be read.
func (p place) values(r *http.Request, body []byte) ([]string, error) {
	var list []string
	switch {
	case p.header != "":
		list = r.Header[p.header]
	case p.query != "":
		list = r.URL.Query()[p.query]
	default:
		return p.members(body)
	}
	v, err := only(list)
	return []string{v}, err
}

func (p place) members(body []byte) ([]string, error) {
	var list []string
	enc, err := event.EncodingOf(body)
	switch {
	case err != nil:
		return nil, ErrMalformed
	case enc == event.JSON:
		if list, err = p.path.Each(body); err != nil {
			return nil, ErrMalformed
		}
	default:
		for name, value := range event.Pairs(body) {
			if string(name) == p.member {
				list = append(list, string(value))
			}
		}
		if len(list) > 1 {
			return nil, ErrMalformed
		}
	}
	if len(list) == 0 {
		return nil, ErrMissing
	}
	return list, nil
}

// value returns the one value at the place.
func (p place) value(r *http.Request, body []byte) (string, error) {
	list, err := p.values(r, body)
	if err != nil {
		return "", err
	}
	return only(list)
}
