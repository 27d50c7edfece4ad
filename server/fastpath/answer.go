package fastpath

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An answer gathers what a handler answers.
type answer struct {
	header http.Header
	status int // 0 until the handler said it
	body   []byte
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. Informational statuses are not sent.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.bodiless() {
		return 0, http.ErrBodyNotAllowed
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

func (a *answer) reset() {
	clear(a.header)
	a.status, a.body = 0, a.body[:0]
}

func (a *answer) bodiless() bool {
	return a.status == http.StatusNoContent || a.status == http.StatusNotModified
}

// closes reports whether the handler asked for the end of the connection.
func (a *answer) closes() bool {
	for _, v := range a.header["Connection"] {
		if strings.EqualFold(v, "close") {
			return true
		}
	}
	return false
}

// appendTo appends the answer as it goes over the wire, with what net/http would add to it.
func (a *answer) appendTo(to []byte, d *date) []byte {
	a.WriteHeader(http.StatusOK)
	to = append(to, "HTTP/1.1 "...)
	to = strconv.AppendInt(to, int64(a.status), 10)
	to = append(to, ' ')
	to = append(to, http.StatusText(a.status)...)
	if _, ours := a.header["Date"]; !ours {
		to = append(to, "\r\nDate: "...)
		to = d.appendTo(to)
	}
	if !a.bodiless() {
		to = append(to, "\r\nContent-Length: "...)
		to = strconv.AppendInt(to, int64(len(a.body)), 10)
		if _, said := a.header["Content-Type"]; !said && len(a.body) > 0 {
			to = append(to, "\r\nContent-Type: "...)
			to = append(to, http.DetectContentType(a.body)...)
		}
	}
	for name, values := range a.header {
		if name == "Content-Length" || name == "Transfer-Encoding" {
			continue // it is ours to say
		}
		for _, v := range values {
			to = append(to, "\r\n"...)
			to = append(to, name...)
			to = append(to, ": "...)
			to = appendLine(to, v)
		}
	}
	to = append(to, emptyLine...)
	return append(to, a.body...)
}

// appendLine appends a value that is to stay on its line.
func appendLine(to []byte, v string) []byte {
	at := len(to)
	to = append(to, v...)
	for i := at; i < len(to); i++ {
		if to[i] == '\r' || to[i] == '\n' {
			to[i] = ' '
		}
	}
	return to
}

// A date is the Date of answers, made once a second.
type date struct{ last atomic.Pointer[second] }

type second struct {
	unix int64
	text string
}

func (d *date) appendTo(to []byte) []byte {
	now := time.Now()
	s := d.last.Load()
	if s == nil || s.unix != now.Unix() {
		s = &second{now.Unix(), now.UTC().Format(http.TimeFormat)}
		d.last.Store(s)
	}
	return append(to, s.text...)
}
