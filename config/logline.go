package config

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// jsonLines writes the lines that slog's JSONHandler writes, byte for byte, and most of
// them several times faster: a record of texts, numbers, booleans and durations is put
// together in one piece. Any other, and all of a logger with attributes or groups of its
// own, is left to slog's.
type jsonLines struct {
	slog.Handler // slog's, for what is not simple, and for Enabled
	out          io.Writer
	pool         *sync.Pool // of *[]byte
}

func newJSONLines(out io.Writer, options *slog.HandlerOptions) slog.Handler {
	return jsonLines{
		Handler: slog.NewJSONHandler(out, options), out: out,
		pool: &sync.Pool{New: func() any { return new(make([]byte, 0, 1024)) }},
	}
}

// HandleAttrs writes a line of the attributes as Handle would of a record that has them,
// without making one. They are the caller's again when it returns.
func (h jsonLines) HandleAttrs(ctx context.Context, at time.Time, level slog.Level, message string, attrs []slog.Attr) error {
	buf, ok := h.pool.Get().(*[]byte)
	if ok {
		defer h.pool.Put(buf)
		line, simple := appendHead((*buf)[:0], at, level, message)
		for i := 0; simple && i < len(attrs); i++ {
			line, simple = appendAttr(line, &attrs[i])
		}
		line = append(line, "}\n"...)
		*buf = line[:0]
		if simple {
			_, err := h.out.Write(line)
			return err
		}
	}
	return h.Handler.Handle(ctx, recordOf(at, level, message, attrs))
}

// recordOf is the record of a line. It keeps nothing of attrs itself.
func recordOf(at time.Time, level slog.Level, message string, attrs []slog.Attr) slog.Record {
	r := slog.NewRecord(at, level, message, 0)
	r.AddAttrs(attrs...)
	return r
}

// Handle implements slog.Handler.
func (h jsonLines) Handle(ctx context.Context, r slog.Record) error {
	buf, ok := h.pool.Get().(*[]byte)
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	defer h.pool.Put(buf)
	line, simple := appendRecord((*buf)[:0], &r)
	*buf = line[:0]
	if !simple {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.out.Write(line)
	return err
}

// appendRecord reports false when the record is not simple.
func appendRecord(b []byte, r *slog.Record) ([]byte, bool) {
	b, simple := appendHead(b, r.Time, r.Level, r.Message)
	if simple {
		r.Attrs(func(a slog.Attr) bool {
			b, simple = appendAttr(b, &a)
			return simple
		})
	}
	return append(b, "}\n"...), simple
}

// appendHead begins a line with what each has.
func appendHead(b []byte, at time.Time, level slog.Level, message string) ([]byte, bool) {
	if at.IsZero() || !plainText(message) {
		return b, false
	}
	b = append(b, `{"time":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, level.String()...)
	b = append(b, `","msg":"`...)
	b = append(b, message...)
	return append(b, '"'), true
}

func appendAttr(b []byte, a *slog.Attr) ([]byte, bool) {
	if a.Key == "" || !plainText(a.Key) {
		return b, false
	}
	b = append(b, `,"`...)
	b = append(b, a.Key...)
	if a.Value.Kind() == slog.KindDuration {
		return appendDuration(b, a)
	}
	b = append(b, `":`...)
	switch a.Value.Kind() { //nolint:exhaustive // the rest is not simple
	case slog.KindString:
		s := a.Value.String()
		if !plainText(s) {
			return b, false
		}
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"'), true
	case slog.KindInt64:
		return strconv.AppendInt(b, a.Value.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(b, a.Value.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(b, a.Value.Bool()), true
	}
	return b, false
}

// appendDuration writes a duration as seconds, which its name then says, as metrics and
// health do.
func appendDuration(b []byte, a *slog.Attr) ([]byte, bool) {
	d := a.Value.Duration()
	if d != 0 && d.Abs() < time.Microsecond {
		return b, false // slog writes an exponent
	}
	b = append(b, secondsSuffix+`":`...)
	return strconv.AppendFloat(b, d.Seconds(), 'f', -1, 64), true
}

const secondsSuffix = "_seconds"

// inSeconds is slog's ReplaceAttr to the same end.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+secondsSuffix, a.Value.Duration().Seconds())
	}
	return a
}

// plainText reports whether JSON writes s as it is.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
