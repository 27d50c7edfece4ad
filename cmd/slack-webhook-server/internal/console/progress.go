package console

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A Progress shows a person how far long work has come. Without a person, and when it is
// nil, it shows nothing.
type Progress struct {
	bar *progressbar.ProgressBar
}

// NewProgress begins to show work on total things; fewer than 0 is a number that is not
// known.
func NewProgress(out io.Writer, terminal bool, what string, total int64) *Progress {
	if !terminal || total == 0 {
		return &Progress{}
	}
	return &Progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true), progressbar.OptionSpinnerType(14))}
}

// Set says how many things are done.
func (p *Progress) Set(done int64) {
	if p != nil && p.bar != nil {
		_ = p.bar.Set64(done) // a bar that cannot be drawn keeps nobody from the work
	}
}

// Done takes the bar away.
func (p *Progress) Done() {
	if p != nil && p.bar != nil {
		_ = p.bar.Clear() // likewise
	}
}
