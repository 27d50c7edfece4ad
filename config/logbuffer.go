package config

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// maxLogBuffer is how much is gathered before it is written all the same.
const maxLogBuffer = 32 << 10

// A logBuffer gathers lines, so that a busy process pays one system call for many. It
// writes when it is full, when it is flushed, and logDelay after the first line; those
// who log meanwhile fill the next buffer and wait for no write but that of a full one.
// An error of the writer loses lines: there is nobody to tell.
type logBuffer struct {
	to      io.Writer
	writing sync.Mutex // held while writing, so that buffers keep their order

	mu    sync.Mutex // never held while writing
	lines []byte
	spare []byte
	timer *time.Timer
	armed bool
}

func newLogBuffer(to io.Writer) *logBuffer {
	b := &logBuffer{to: to, lines: make([]byte, 0, maxLogBuffer), spare: make([]byte, 0, maxLogBuffer)}
	b.timer = time.AfterFunc(time.Hour, b.flush)
	b.timer.Stop()
	return b
}

// Write takes whole lines.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	full := len(b.lines)+len(line) > maxLogBuffer
	if !full {
		b.take(line)
	}
	b.mu.Unlock()
	if full {
		b.flush()
		b.mu.Lock()
		b.take(line) // others may have been quicker: the buffer grows by a few lines then
		b.mu.Unlock()
	}
	return len(line), nil
}

// take needs mu.
func (b *logBuffer) take(line []byte) {
	b.lines = append(b.lines, line...)
	if !b.armed {
		b.armed = true
		b.timer.Reset(logDelay)
	}
}

// flush writes what was gathered.
func (b *logBuffer) flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	lines := b.lines
	b.lines = b.spare[:0]
	b.spare = nil
	b.armed = false
	b.timer.Stop()
	b.mu.Unlock()
	if len(lines) > 0 {
		_, _ = b.to.Write(lines)
	}
	b.mu.Lock()
	b.spare = lines
	b.mu.Unlock()
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

// HandleAttrs is Handle for a line's attributes without a record; see jsonLines. They are
// the caller's again when it returns.
func (h urgentHandler) HandleAttrs(ctx context.Context, at time.Time, level slog.Level, message string, attrs []slog.Attr) error {
	lines, ok := h.Handler.(jsonLines)
	if !ok {
		return h.Handle(ctx, recordOf(at, level, message, attrs))
	}
	err := lines.HandleAttrs(ctx, at, level, message, attrs)
	if level >= h.urgent {
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
