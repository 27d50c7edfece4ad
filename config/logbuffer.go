package config

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// maxLogBuffer is how much is gathered before it is written all the same.
const maxLogBuffer = 32 << 10

// A logBuffer gathers lines, so that a busy process pays one system call for many. It
// writes when it is full, when it is flushed, and logDelay after the first line. An
// error of the writer loses lines: there is nobody to tell.
type logBuffer struct {
	to io.Writer

	mu    sync.Mutex
	lines bytes.Buffer
	timer *time.Timer
	armed bool
}

func newLogBuffer(to io.Writer) *logBuffer {
	b := &logBuffer{to: to}
	b.timer = time.AfterFunc(time.Hour, b.flush)
	b.timer.Stop()
	return b
}

// Write takes whole lines.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lines.Len()+len(line) > maxLogBuffer {
		b.drain()
	}
	n, err := b.lines.Write(line)
	if !b.armed {
		b.armed = true
		b.timer.Reset(logDelay)
	}
	return n, err
}

func (b *logBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drain()
	b.armed = false
	b.timer.Stop()
}

// drain writes what was gathered. The lock is held: lines keep their order.
func (b *logBuffer) drain() {
	if b.lines.Len() == 0 {
		return
	}
	_, _ = b.to.Write(b.lines.Bytes())
	b.lines.Reset()
}

// urgentHandler writes records of a level, and what was gathered before them, at once.
type urgentHandler struct {
	slog.Handler
	buffer *logBuffer
	urgent slog.Level
}

// Handle implements slog.Handler.
func (h urgentHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= h.urgent {
		h.buffer.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h urgentHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h urgentHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
