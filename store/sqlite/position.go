package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"slackmcp/store/internal/eventlog"
)

// noted is what the position note holds: how far the store had come when it was written.
type noted struct {
	// Epoch and Events are the log's name and the number of its newest acknowledged event.
	Epoch  string `json:"epoch"`
	Events int64  `json:"events"`
	// Values is the highest version that a small value was given.
	Values int64     `json:"values"`
	At     time.Time `json:"at"`
}

// events and values say in words what was stored; "" is nothing.
func (n noted) events() string { return n.say(n.Events, "events") }

func (n noted) values() string {
	return n.say(n.Values, "changes of small values such as subscriptions")
}

func (n noted) say(count int64, what string) string {
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s until %s", count, what, n.At.Format(time.RFC3339))
}

// missing says in words what a log lacks of what was noted; "" is nothing.
func (n noted) missing(b eventlog.Bounds) string {
	switch {
	case n.Events == 0, n.Epoch == b.Epoch && n.Events <= b.Last:
		return ""
	case n.Epoch == b.Epoch:
		return fmt.Sprintf("has gone back: the newest %d of %s are missing", n.Events-b.Last, n.events())
	}
	return fmt.Sprintf("is not the store that was here: %s are missing", n.events())
}

// missingValues says in words how far the file of the small values went back.
func missingValues(last, noted int64) string {
	return fmt.Sprintf("has gone back: %d of %d changes of subscriptions, sessions and other small values are missing", noted-last, noted)
}

// noteEvery is how late the note may be.
const noteEvery = time.Second

// noteSize is the size of the note's file, in bytes. It is a part of one sector, so that it is
// written whole or not at all.
const noteSize = 256

// A positionNote is a small file beside the databases that says how far they had come, so that
// a database that went back, or was emptied, is noticed at the next start. It is written after
// what it says is on the disk, at most noteEvery late, and never synced: a power loss may take
// it back, and then less is noticed, but never anything that is not so.
type positionNote struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *os.File // nil before the first writing and after close
	now     noted
	written time.Time // when the file was written last
	later   *time.Timer
	failed  bool // the last writing failed, which was logged
	closed  bool
}

// readNote reads a note. found is false when there is none, and when it is empty or torn, as a
// power loss may leave it.
func readNote(path string) (n noted, found bool, err error) {
	if err := refuseLink(path); err != nil {
		return n, false, err
	}
	b, err := os.ReadFile(path) //nolint:gosec // It is in the operator's own directory.
	if errors.Is(err, fs.ErrNotExist) {
		return n, false, nil
	}
	if err != nil {
		return n, false, fmt.Errorf("read the position note: %w: make the data directory readable for this user", err)
	}
	var sum uint32
	var text string
	if got, _ := fmt.Sscanf(string(b), "%08x %s", &sum, &text); got < 2 || crc32.ChecksumIEEE([]byte(text)) != sum {
		return n, false, nil
	}
	err = json.Unmarshal([]byte(text), &n)
	return n, err == nil, nil
}

// encode is the note as it stands in the file.
func (n noted) encode() ([]byte, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	line := fmt.Appendf(nil, "%08x %s", crc32.ChecksumIEEE(text), text)
	if len(line) >= noteSize {
		return nil, fmt.Errorf("the note has %d bytes", len(line))
	}
	for len(line) < noteSize-1 {
		line = append(line, ' ')
	}
	return append(line, '\n'), nil
}

// advanceEvents notes that an event is on the disk.
func (p *positionNote) advanceEvents(epoch string, last int64) {
	p.advance(func(n *noted) { n.Epoch, n.Events = epoch, last })
}

// advanceValues notes that a version of a small value is on the disk.
func (p *positionNote) advanceValues(version int64) {
	p.advance(func(n *noted) { n.Values = max(n.Values, version) })
}

// advance changes the note and writes it, unless it was written just now: then a moment later.
func (p *positionNote) advance(change func(*noted)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.now
	if change(&p.now); p.now == old || p.closed {
		return
	}
	if wait := noteEvery - time.Since(p.written); wait > 0 && !p.written.IsZero() {
		if p.later == nil {
			p.later = time.AfterFunc(wait, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.later = nil
				if !p.closed {
					p.write()
				}
			})
		}
		return
	}
	p.write()
}

// write requires p.mu. That the note cannot be written is no reason to refuse events.
func (p *positionNote) write() {
	p.now.At = time.Now().UTC().Truncate(time.Millisecond)
	p.written = time.Now()
	err := p.tryWrite()
	if err != nil && !p.failed {
		p.log.Warn("the position note cannot be written: a store that goes back would not be noticed", slog.Any("error", err))
	}
	p.failed = err != nil
}

func (p *positionNote) tryWrite() error {
	b, err := p.now.encode()
	if err != nil {
		return err
	}
	if p.file == nil {
		if err := refuseLink(p.path); err != nil {
			return err
		}
		if p.file, err = os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return err
		}
	}
	_, err = p.file.WriteAt(b, 0)
	return err
}

// replaceNote writes a note in the place of the one that is there, and has it on the disk.
func replaceNote(path string, n noted) error {
	p := &positionNote{path: path, now: n}
	p.now.At = time.Now().UTC().Truncate(time.Millisecond)
	if err := p.tryWrite(); err != nil {
		p.close()
		return err
	}
	return errors.Join(p.file.Sync(), p.file.Close())
}

// close writes the note once more, unless the file says it already.
func (p *positionNote) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	if p.later != nil {
		p.later.Stop()
		p.write()
	}
	if p.file != nil {
		_ = p.file.Close() // It was never promised to be on the disk.
		p.file = nil
	}
}
