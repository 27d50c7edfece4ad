package transport

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

const jsonMedia = "application/json"

// readMessage reads one message, or answers what is wrong with it.
func (t *Transport) readMessage(w http.ResponseWriter, r *http.Request) (*message, bool) {
	raw, ok := t.readJSON(w, r)
	if !ok {
		return nil, false
	}
	return parsed(w, raw)
}

// parsed is the message in a body, or answers what is wrong with it.
func parsed(w http.ResponseWriter, raw []byte) (*message, bool) {
	m, err := parseMessage(raw)
	if err != nil {
		replyRPC(w, http.StatusBadRequest, nil, parseCode(err), err.Error(), nil)
		return nil, false
	}
	return m, true
}

// readJSON reads a body, or answers why not.
func (t *Transport) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != jsonMedia {
		w.Header().Set("Accept-Post", jsonMedia)
		reply(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "send "+jsonMedia)
		return nil, false
	}
	raw, err := t.readBody(w, r)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			reply(w, http.StatusRequestEntityTooLarge, "body_too_large", "")
			return nil, false
		}
		reply(w, http.StatusBadRequest, "body_not_read", "")
		return nil, false
	}
	return raw, true
}

func (t *Transport) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > t.opt.MaxBodyBytes {
		// Unread, the connection cannot be used again; reading on is what the limit forbids.
		w.Header().Set("Connection", "close")
		return nil, &http.MaxBytesError{Limit: t.opt.MaxBodyBytes}
	}
	rc := http.NewResponseController(w)
	if rc.SetReadDeadline(time.Now().Add(t.opt.ReadTimeout)) == nil {
		defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, t.opt.MaxBodyBytes)); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}
