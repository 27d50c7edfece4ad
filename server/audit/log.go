package audit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options configure a Log.
type Options struct {
	// Path is a file's path. Empty writes to Writer.
	Path string
	// Writer is where lines go without a Path, such as stderr.
	Writer io.Writer
	// Scrub returns a writer that takes secrets out of lines; nil takes none out.
	Scrub func(io.Writer) io.Writer
	// Logger is told of lines that could not be written; nil discards it.
	Logger *slog.Logger
	// Written is told of each record, and whether it was written; nil tells nobody.
	Written func(e Event, ok bool)
}

// A Log writes records. A nil Log writes none, so that nobody has to ask whether there
// is one. It is safe for concurrent use.
type Log struct {
	opt Options

	mu     sync.Mutex
	file   *os.File  // guarded by mu; nil for a Writer
	out    io.Writer // guarded by mu
	broken bool      // guarded by mu: the last line was not written
}

// New opens the trail.
func New(o Options) (*Log, error) {
	if o.Path == "" && o.Writer == nil {
		return nil, errors.New("audit: Path or Writer is required")
	}
	if o.Scrub == nil {
		o.Scrub = func(w io.Writer) io.Writer { return w }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Written == nil {
		o.Written = func(Event, bool) {}
	}
	l := &Log{opt: o}
	if o.Path == "" {
		l.out = o.Scrub(o.Writer)
		return l, nil
	}
	return l, l.open()
}

// open opens the file, and then closes the one before. It requires l.mu, or that nobody
// else knows l.
func (l *Log) open() error {
	f, err := os.OpenFile(l.opt.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.out = f, l.opt.Scrub(f)
	return err
}

// Record writes one line.
func (l *Log) Record(ctx context.Context, r Record) {
	if l == nil {
		return
	}
	r.Time = time.Now().UTC()
	r.cut()
	line, err := json.Marshal(r)
	if err != nil {
		return // texts, a number and a time can always be written
	}
	l.mu.Lock()
	_, err = l.out.Write(append(line, '\n'))
	first := err != nil && !l.broken
	l.broken = err != nil
	l.mu.Unlock()
	l.opt.Written(r.Event, err == nil)
	if first {
		l.opt.Logger.LogAttrs(ctx, slog.LevelError, "the audit trail cannot be written", slog.String("error", err.Error()))
	}
}

// Reopen opens the file again under its path. The one before goes on where that fails.
func (l *Log) Reopen(ctx context.Context) {
	if l == nil || l.opt.Path == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		l.opt.Logger.LogAttrs(ctx, slog.LevelError, "the audit trail cannot be opened again", slog.String("error", err.Error()))
	}
}

// Close closes the file. Later records are lost.
func (l *Log) Close() error {
	if l == nil || l.file == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
