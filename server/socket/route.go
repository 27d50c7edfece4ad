package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"slackmcp/store/queue"
)

const (
	// maxRequest bounds a request's body: a thousand positions are some 40 KiB.
	maxRequest = 1 << 20
	// callTimeout bounds a call that answers one value.
	callTimeout = 2 * time.Minute
)

// A Route answers one kind of request. [Call] and [Stream] make it.
type Route struct {
	// serve answers; stopping is closed when the server begins to stop.
	serve  func(stopping <-chan struct{}, w http.ResponseWriter, r *http.Request)
	stream bool
}

// Call makes a route that answers a JSON value with another. fn has two minutes, and
// less when the caller goes away.
func Call[In, Out any](fn func(ctx context.Context, in In) (Out, error)) Route {
	return Route{serve: func(_ <-chan struct{}, w http.ResponseWriter, r *http.Request) {
		in, err := read[In](w, r)
		if err != nil {
			refuse(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		out, err := fn(ctx, in)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, out)
	}}
}

// answer sends a value whole, or why it cannot be sent.
func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // who does not wait for the answer misses it
}

// Stream makes a route that answers with a line for each value that fn sends. send may
// be called concurrently and waits for a slow reader; it fails when the reader is gone.
// ctx ends when the reader goes away or the server stops.
func Stream[In, Out any](fn func(ctx context.Context, in In, send func(Out) error) error) Route {
	return stream(func(ctx, _ context.Context, in In, send func(Out) error) error { return fn(ctx, in, send) })
}

// stream is Stream for who has to know why ctx ended: reader ends only when the reader
// has gone away.
func stream[In, Out any](fn func(ctx, reader context.Context, in In, send func(Out) error) error) Route {
	return Route{stream: true, serve: func(stopping <-chan struct{}, w http.ResponseWriter, r *http.Request) {
		in, err := read[In](w, r)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := &lineWriter{encode: json.NewEncoder(w), flush: http.NewResponseController(w).Flush}
		if lines.flush() != nil {
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go either(ctx, stopping, cancel)
		err = fn(ctx, r.Context(), in, func(v Out) error { return lines.item(v) })
		if err == nil && closed(stopping) {
			err = fmt.Errorf("the server is stopping: %w", queue.ErrClosed)
		}
		last := line{End: true}
		if err != nil {
			last.Fault, _ = faultOf(err)
		}
		_ = lines.write(last) // who does not wait for the end misses it
	}}
}

// either cancels when stopping is closed, and waits until one of both has ended.
func either(ctx context.Context, stopping <-chan struct{}, cancel context.CancelFunc) {
	select {
	case <-stopping:
		cancel()
	case <-ctx.Done():
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A line is one of a stream: an item, or the end with or without a fault.
type line struct {
	Item  json.RawMessage `json:"item,omitempty"`
	End   bool            `json:"end,omitempty"`
	Fault *Error          `json:"fault,omitempty"`
}

// A lineWriter writes lines, each whole and at once.
type lineWriter struct {
	mu     sync.Mutex
	encode *json.Encoder
	flush  func() error
}

func (l *lineWriter) item(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.write(line{Item: raw})
}

func (l *lineWriter) write(v line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.encode.Encode(v), l.flush())
}

// read decodes a request's body; an empty one is the zero value. It reads to the end,
// since only then the server notices a caller who goes away.
func read[In any](w http.ResponseWriter, r *http.Request) (in In, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		return in, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return in, nil
}
