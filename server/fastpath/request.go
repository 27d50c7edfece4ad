package fastpath

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// maxFields bounds the header lines of a request that is served here.
const maxFields = 32

// maxLength is how many digits a Content-Length may have; a buffer holds less.
const maxLength = 4

var emptyLine = []byte("\r\n\r\n")

// A head is what a plain request says before its body.
type head struct {
	path   string
	host   string
	length int // of the body; -1 while nobody said it
	size   int // of the head itself
	fields int // how many of the values are used
}

// read reads the head at the beginning of buf. The fields go into header, which is empty,
// and each into one of values. false means that the request is for net/http: its head is
// not all there, or not plain.
func (h *head) read(buf []byte, paths map[string]struct{}, header http.Header, values *[maxFields]string) bool {
	end := bytes.Index(buf, emptyLine)
	if end < 0 {
		return false
	}
	*h = head{length: -1, size: end + len(emptyLine)}
	text := string(buf[:end+2]) // of which every line ends with CRLF
	line, text, _ := strings.Cut(text, "\r\n")
	target, post := strings.CutPrefix(line, "POST ")
	path, current := strings.CutSuffix(target, " HTTP/1.1")
	if _, ours := paths[path]; !post || !current || !ours {
		return false
	}
	h.path = path
	for text != "" {
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, ok := field(line)
		if !ok || !h.take(name, value, header, values) {
			return false
		}
	}
	return h.length > 0 && h.host != ""
}

// take notes a field; false means that it makes the request one for net/http.
func (h *head) take(name, value string, header http.Header, values *[maxFields]string) bool {
	switch name {
	case "Host":
		again := h.host != ""
		h.host = value
		return !again && validHost(value) // it stands in no header, as with net/http
	case "Content-Length":
		again := h.length >= 0
		n, ok := number(value)
		if again || !ok {
			return false
		}
		h.length = n
	case "Connection":
		if value != "keep-alive" {
			return false
		}
	case "Transfer-Encoding", "Trailer", "Te", "Expect", "Upgrade", "Pragma":
		return false
	}
	if before := header[name]; before != nil {
		header[name] = append(before, value)
		return true
	}
	if h.fields == maxFields {
		return false
	}
	values[h.fields] = value
	header[name] = values[h.fields : h.fields+1 : h.fields+1]
	h.fields++
	return true
}

// field takes a header line apart and puts its name into canonical form.
func field(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ": ")
	if !ok || name == "" || value == "" || value[0] == ' ' || value[len(value)-1] == ' ' {
		return "", "", false
	}
	canonical, ok := fieldName(name)
	if !ok || !visible(value) {
		return "", "", false
	}
	if !canonical {
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	return name, value, true
}

// fieldName reports whether a field's name is letters, digits and dashes, and whether its
// capitals are where http.Header wants them.
func fieldName(name string) (canonical, ok bool) {
	canonical, first := true, true
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z':
			canonical = canonical && !first
		case 'A' <= c && c <= 'Z':
			canonical = canonical && first
		case c != '-' && (c < '0' || c > '9'):
			return false, false
		}
		first = name[i] == '-'
	}
	return canonical, true
}

// visible reports whether a value is spaces and visible ASCII.
func visible(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

// number reads a Content-Length.
func number(text string) (n int, ok bool) {
	if len(text) > maxLength {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = n*10 + int(text[i]-'0')
	}
	return n, true
}

// validHost reports whether a Host is a name or an address, perhaps with a port.
func validHost(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(".-:[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}
