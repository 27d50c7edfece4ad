package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A DamageError says that a file of the store is damaged, or that something which was
// acknowledged is missing from it.
type DamageError struct {
	// Path is the file.
	Path string
	// What says what is wrong, and what is known to be lost.
	What string
	// Remedy says what the operator can do.
	Remedy string
}

// Error returns all three.
func (e *DamageError) Error() string { return e.Path + " " + e.What + ": " + e.Remedy }

// The remedies. A command of a store takes the settings of its server.
const (
	repairRemedy = "stop the server, and run `slack-webhook-server store repair`, which writes what can be read into a new file, or put a backup in place (docs/operations.md, A damaged store)"
	indexRemedy  = "stop the server, and run `slack-webhook-server store repair --replace`: the events are whole, and the next start makes the index from them"
	acceptRemedy = "to go on without what is missing, or because a backup was put in place on purpose, run `slack-webhook-server store accept`"
)

// refuseLink refuses a path that is a symbolic link: what is written there would go elsewhere.
func refuseLink(path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a link: remove it, and see who could put it there", path)
	}
	return nil
}

// magic begins a file of SQLite.
const magic = "SQLite format 3\x00"

// inspect looks at a database before SQLite does, which would take an emptied file for a new
// one and discard the write-ahead log beside it. stored says that something was acknowledged
// in the file; what says what.
func inspect(path, stored string) error {
	header, size, err := head(path, 100)
	if err != nil {
		return err
	}
	wal, walSize, err := head(path+"-wal", walHeader)
	if err != nil {
		return err
	}
	is := "is empty"
	if size < 0 {
		is = "is missing"
	}
	in := ""
	if stored != "" {
		in = ", and there were " + stored + " in it"
	}
	remedy := repairRemedy + "; or, " + acceptRemedy
	switch {
	case size <= 0 && walSize > 0:
		return &DamageError{path, fmt.Sprintf("%s%s, and its write-ahead log has %d bytes that would be lost with it", is, in, walSize), remedy}
	case size <= 0 && stored != "":
		return &DamageError{path, is + in, remedy}
	case size <= 0:
		return nil
	case len(header) < 100 || string(header[:len(magic)]) != magic || pageSizeOf(header) == 0:
		return &DamageError{path, "has a damaged header" + in, remedy}
	case walSize <= walHeader && size < pagesOf(header)*int64(pageSizeOf(header)):
		return cut(path, size, pagesOf(header), pagesOf(header)-size/int64(pageSizeOf(header)))
	case walSize > walHeader && !goodWALHeader(wal, pageSizeOf(header)):
		return &DamageError{path + "-wal", fmt.Sprintf("has a damaged header, so that its %d bytes would not be read", walSize), remedy}
	}
	return nil
}

// head reads the beginning of a file and its size, which is -1 when there is none.
func head(path string, n int) ([]byte, int64, error) {
	file, err := os.Open(path) //nolint:gosec // It is in the operator's own directory.
	if errors.Is(err, fs.ErrNotExist) {
		return nil, -1, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open the store: %w: give its files to the user of the server", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("open the store: %w", err)
	}
	b := make([]byte, n)
	got, err := io.ReadFull(file, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, fmt.Errorf("read the store: %w", err)
	}
	return b[:got], info.Size(), nil
}

// pageSizeOf reads a database's page size from its header, in bytes; 0 is none that is possible.
func pageSizeOf(header []byte) int {
	n := int(binary.BigEndian.Uint16(header[16:]))
	if n == 1 {
		n = 1 << 16
	}
	if n < 512 || n&(n-1) != 0 {
		return 0
	}
	return n
}

// pagesOf reads how many pages a database has from its header; 0 is not known.
func pagesOf(header []byte) int64 {
	if !bytes.Equal(header[24:28], header[92:96]) {
		return 0 // The program that wrote it last did not write the number.
	}
	return int64(binary.BigEndian.Uint32(header[28:]))
}

// cut is the error of a database that lost its end.
func cut(path string, size, pages, lost int64) error {
	return &DamageError{path, fmt.Sprintf("was cut: it has %d bytes, and %d of its %d pages are gone", size, lost, pages), repairRemedy}
}

// gone is the error of a database from which something is missing that was acknowledged.
func gone(path, what string) error {
	r, err := readLog(path+"-wal", nil)
	if text := r.String(); err == nil && text != "" {
		what += "; " + text
	}
	return &DamageError{path, what, repairRemedy + "; or, " + acceptRemedy}
}

// The sizes, in bytes, of the headers of a write-ahead log and of each frame in it
// (sqlite.org/fileformat2.html#walformat).
const (
	walHeader   = 32
	frameHeader = 24
)

// walMagic begins a log; its lowest bit says that the words of its checksums are big-endian.
const walMagic = 0x377f0682

// A walSum is the running checksum of a log.
type walSum [2]uint32

func (s walSum) add(big bool, b []byte) walSum {
	var order binary.ByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}

// sumAt reads a checksum as it is stored.
func sumAt(b []byte) walSum {
	return walSum{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

func bigEndian(header []byte) bool { return header[3]&1 == 1 }

func goodWALHeader(h []byte, pageSize int) bool {
	return len(h) == walHeader && binary.BigEndian.Uint32(h)&^1 == walMagic &&
		int(binary.BigEndian.Uint32(h[8:])) == pageSize && walSum{}.add(bigEndian(h), h[:24]) == sumAt(h[24:])
}

// A frame is one page in a write-ahead log.
type frame struct {
	page uint32
	// commit is the size of the database in pages when the frame ends a transaction, else 0.
	commit uint32
	// whole says that the frame is as it was written, chained that all before it are, too.
	whole, chained bool
	data           []byte // valid until the next frame is read
}

// A logReport says what is in a write-ahead log. It ends where an earlier log, which it
// overwrites, goes on.
type logReport struct {
	read    int // frames that SQLite reads: up to the last commit before the first damage
	behind  int // whole frames behind the damage
	damaged int // frames that are not whole
	open    int // frames since the last commit
	others  int // frames since the last one of this log that carry another salt
}

// String is the report in words; "" when the log is whole.
func (r logReport) String() string {
	if r.damaged == 0 {
		return ""
	}
	return fmt.Sprintf("the write-ahead log is damaged after %d pages, and %d whole pages follow which `store repair` can read", r.read, r.behind)
}

// readLog reads a write-ahead log from its beginning, frame by frame, also behind a frame
// that is damaged. There may be no such file.
func readLog(path string, fn func(frame) error) (r logReport, err error) {
	file, err := os.Open(path) //nolint:gosec // It is in the operator's own directory.
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read the write-ahead log: %w", err)
	}
	defer file.Close()
	in := newFrames(file)
	for {
		f, ours, err := in.next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("read the write-ahead log: %w", err)
		}
		if r.count(&f, ours); !ours || fn == nil {
			continue
		}
		if err := fn(f); err != nil {
			return r, err
		}
	}
}

// count takes in a frame, and sets whether it is chained.
func (r *logReport) count(f *frame, ours bool) {
	if !ours {
		// It is a frame of an earlier log, unless more of this one follow.
		r.others++
		return
	}
	r.damaged, r.others = r.damaged+r.others, 0
	if !f.whole {
		r.damaged++
	}
	f.chained = r.damaged == 0
	r.open++
	switch {
	case f.chained && f.commit != 0:
		r.read, r.open = r.read+r.open, 0
	case !f.chained && f.whole:
		r.behind++
	}
}

// frames reads the frames of a log.
type frames struct {
	in   io.Reader
	size int
	big  bool
	salt []byte // of this log
	sum  walSum // as the frame before it says
	buf  []byte
	err  error
}

func newFrames(file *os.File) *frames {
	h := make([]byte, walHeader)
	if _, err := io.ReadFull(file, h); err != nil {
		return &frames{err: err}
	}
	f := &frames{in: file, size: int(binary.BigEndian.Uint32(h[8:])), big: bigEndian(h), salt: h[16:24], sum: sumAt(h[24:])}
	if f.size < 512 || f.size > 1<<16 {
		f.size = pageSize // The header is damaged; files of ours have this page size.
	}
	f.buf = make([]byte, frameHeader+f.size)
	if !goodWALHeader(h, f.size) {
		f.salt = nil // The first frame has it.
	}
	return f
}

// next reads a frame. ours is false when it carries the salt of another log.
func (f *frames) next() (fr frame, ours bool, err error) {
	if f.err != nil {
		return fr, false, f.err
	}
	if _, err := io.ReadFull(f.in, f.buf); err != nil {
		return fr, false, err
	}
	h, data := f.buf[:frameHeader], f.buf[frameHeader:]
	if f.salt == nil {
		f.salt = bytes.Clone(h[8:16])
	}
	stored := sumAt(h[16:])
	whole := f.sum.add(f.big, h[:8]).add(f.big, data) == stored
	f.sum = stored
	if !bytes.Equal(h[8:16], f.salt) {
		return fr, false, nil
	}
	return frame{page: binary.BigEndian.Uint32(h), commit: binary.BigEndian.Uint32(h[4:]), whole: whole, data: data}, true, nil
}
