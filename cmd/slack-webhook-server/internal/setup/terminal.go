package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"
)

// A Terminal is where a person answers.
type Terminal struct {
	// In is the terminal's file, of which nothing is read ahead.
	In interface {
		io.Reader
		Fd() uintptr
	}
	Out io.Writer
}

// maxAnswer bounds a line.
const maxAnswer = 8 << 10

// ErrEnded says that the person went away in the middle.
var ErrEnded = errors.New("setup was ended; nothing was written")

// Ask puts a question and returns the answer without the spaces around it; what is in brackets where it is empty.
func (t Terminal) Ask(ctx context.Context, question, otherwise string) (string, error) {
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	answer, err := t.answer(ctx, question+": ", func() (string, error) { return t.line() })
	if answer == "" {
		answer = otherwise
	}
	return answer, err
}

// Secret is Ask for what is not to be seen: the echo is off before the question is put.
func (t Terminal) Secret(ctx context.Context, question string) (string, error) {
	fd := int(t.In.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	answer, err := t.answer(ctx, question+" (it is not shown): ", t.keys)
	restored := term.Restore(fd, before)
	_, _ = fmt.Fprintln(t.Out) // the person's line break was not echoed either
	return answer, errors.Join(err, restored)
}

// The keys that mean something in a line that is read raw.
const (
	keyInterrupt = 3
	keyEnd       = 4
	keyBackspace = 8
	keyDelete    = 127
)

// keys reads a line of a raw terminal.
func (t Terminal) keys() (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < maxAnswer; {
		if _, err := io.ReadFull(t.In, one); err != nil {
			return "", err
		}
		switch key := one[0]; key {
		case '\r', '\n':
			return string(line), nil
		case keyInterrupt, keyEnd:
			return "", io.EOF
		case keyBackspace, keyDelete:
			line = line[:max(len(line)-1, 0)]
		default:
			line = append(line, key)
		}
	}
	return "", errTooLong
}

var errTooLong = errors.New("the answer is too long")

// answer waits for what read reads, or for ctx.
func (t Terminal) answer(ctx context.Context, question string, read func() (string, error)) (string, error) {
	if _, err := io.WriteString(t.Out, question); err != nil {
		return "", err
	}
	type said struct {
		text string
		err  error
	}
	done := make(chan said, 1)
	go func() { // ends with the process where ctx ends first
		text, err := read()
		done <- said{text, err}
	}()
	select {
	case s := <-done:
		if errors.Is(s.err, io.EOF) {
			return "", ErrEnded
		}
		return strings.TrimSpace(s.text), s.err
	case <-ctx.Done():
		return "", ErrEnded
	}
}

// line reads to the line's end and no further, because a secret may follow.
func (t Terminal) line() (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < maxAnswer; {
		n, err := t.In.Read(one)
		switch {
		case err != nil:
			return "", err
		case n == 1 && one[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, one[0])
		}
	}
	return "", errTooLong
}
