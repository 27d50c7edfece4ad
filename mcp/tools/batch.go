package tools

import "cmp"

// An item is what became of one part of a call that does several things.
type item struct {
	OK    bool   `json:"ok"`
	TS    string `json:"ts,omitempty"`
	Emoji string `json:"emoji,omitempty"`
	User  string `json:"user,omitempty"`
	Error string `json:"error,omitempty"`
}

// responses is the result of a call that does several things.
type responses struct {
	Responses []item `json:"responses" doc:"one for each part, in order"`
	carried
}

// notSent is the error of the parts that come after one that failed.
const notSent = "not_sent: an earlier part failed"

// A batch collects the responses.
type batch struct {
	ordered bool // each part needs the one before it

	out     responses
	first   error // the first part's that failed
	done    bool  // one part succeeded
	stopped bool
}

// skips reports that the next part is not to be done, and notes it as not sent: after the
// failure of another one it would fail as well, or come out of order.
func (b *batch) skips() bool {
	if b.stopped {
		b.out.Responses = append(b.out.Responses, item{Error: notSent})
	}
	return b.stopped
}

// add notes what became of a part.
func (b *batch) add(i item, how carried, err error) {
	i.OK = err == nil
	if err != nil {
		i.Error = Fault(err)
		b.first = cmp.Or(b.first, err)
		b.stopped = b.ordered || stops(err)
	}
	b.done = b.done || i.OK
	b.out.DryRun = b.out.DryRun || how.DryRun
	b.out.Repeated = b.out.Repeated || how.Repeated
	b.out.Requests = append(b.out.Requests, how.Requests...)
	b.out.Note = cmp.Or(how.Note, b.out.Note)
	b.out.Responses = append(b.out.Responses, i)
}

// result is what the call returns. When no part succeeded the first error is the call's.
func (b *batch) result() (responses, error) {
	if b.first != nil && !b.done {
		return responses{}, b.first
	}
	if b.out.Responses == nil {
		b.out.Responses = []item{}
	}
	return b.out, nil
}
