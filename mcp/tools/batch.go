package tools

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
	out  responses
	done bool // one part succeeded
}

// add notes what became of a part.
func (b *batch) add(i item, how carried, err error) {
	i.OK = err == nil
	if err != nil {
		i.Error = Fault(err)
	} else {
		b.done = true
	}
	b.out.DryRun = b.out.DryRun || how.DryRun
	b.out.Repeated = b.out.Repeated || how.Repeated
	b.out.Requests = append(b.out.Requests, how.Requests...)
	if how.Note != "" {
		b.out.Note = how.Note
	}
	b.out.Responses = append(b.out.Responses, i)
}

// each does something for every part, until an error after which the others would fail
// as well or come out of order. When nothing succeeded the first error is the call's.
func (k *kit) each(parts []string, do func(b *batch, part string) error) (responses, error) {
	return k.eachUntil(parts, stops, do)
}

func (k *kit) eachUntil(parts []string, stop func(error) bool, do func(b *batch, part string) error) (responses, error) {
	b := &batch{out: responses{Responses: []item{}}}
	var first error
	stopped := false
	for _, part := range parts {
		if stopped {
			b.out.Responses = append(b.out.Responses, item{Error: notSent})
			continue
		}
		if err := do(b, part); err != nil {
			if first == nil {
				first = err
			}
			stopped = stop(err)
		}
	}
	if first != nil && !b.done {
		return responses{}, first
	}
	return b.out, nil
}
