package sight

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

const (
	// hold is how long a reader waits for what is not known of visibility yet; then it is a no.
	hold = 2 * time.Second
	// holdStep is the least pause between two judgements of the same.
	holdStep = 20 * time.Millisecond
	// maxLearnt is how many of the conversations that one event names are asked for, for the next time it is read.
	maxLearnt = 2
	// lookFor bounds the time in which a page is filled from behind what is hidden, and the search for the next event
	// that the person may see, behind a page that did not come to the end of the log.
	lookFor = 250 * time.Millisecond
	// absentAfter is how long it takes at least to answer that there is no such event: as long for one that
	// is hidden as for one that there is not.
	absentAfter = 25 * time.Millisecond
)

// see is the verdict on an event as of now.
func (l Log) see(e *event.Event) visibility.Verdict { return l.opt.Judge.See(l.viewer.person, e) }

// sight is what the log is told of the person, who sees what sees decides.
func (l Log) sight(sees func(*event.Event) bool) *event.Sight {
	p := l.viewer.person
	return &event.Sight{
		NeedsBody: visibility.NeedsBody, Sees: sees, Self: p.User, Audience: l.opt.Judge.Audience,
		Hidden: func() (hidden, others []string) { return l.opt.Judge.Conversations(p) },
	}
}

// show is what is shown of an event that may be seen.
func (l Log) show(e *event.Event) event.Event {
	if e.Raw == nil {
		return *e // it was read without
	}
	p, learnt := l.viewer.person, 0
	return l.opt.Show(p, func(channel string) bool {
		v := l.opt.Judge.SeeConversation(p, channel)
		if v == visibility.Unknown && learnt < maxLearnt && l.opt.Judge.Learn(p, channel) {
			learnt++
		}
		return v == visibility.Visible
	}, e)
}

// text asks for words of what is shown to the person, and of nothing else in the event. The store is not told the
// words: an index finds them in what is hidden too, and the time that this takes would tell whether they stand there.
func (l Log) text(t *event.Text) *event.Text {
	if t == nil {
		return nil
	}
	return &event.Text{Says: func(e *event.Event) bool {
		shown := l.show(e)
		return t.Says(&shown)
	}}
}

// A reading is one query of a person's, which may have to be asked several times.
type reading struct {
	log Log
	q   event.Query
	// until is how long what is unknown is waited for.
	until time.Time
	// unknown reports that something was met of which it is not known whether the person may see it, and doubted is
	// the first such event before which the page of one who follows ends.
	unknown bool
	doubted event.Position
	// held is what the page has already, where the log looked at too much that is hidden to fill it at once: goesOn is
	// that q asks for the rest now. before is the place of the last that is held, filling how long more is looked for,
	// and unjudged that something before q is unknown still.
	held     []shown
	goesOn   bool
	before   event.Position
	filling  time.Time
	unjudged bool
	// behind is where the page ends when it is not known what follows, and more what was found there.
	behind event.Position
	more   *bool
}

// A shown event has with it what decides who may see it.
type shown struct{ event, judged event.Event }

// query reads a page of what the person may see: as full, and with the same More and Next, as if nothing
// else were in the log.
func (l Log) query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	if q.Limit <= 0 {
		q.Limit = event.DefaultLimit
	}
	q.Limit = min(q.Limit, event.MaxLimit)
	q.Filter.Text = l.text(q.Filter.Text)
	r := reading{log: l, q: q, until: time.Now().Add(hold)}
	for {
		done := false
		err := l.log.Query(ctx, r.asked(), func(page event.Page) error {
			page, ok := r.page(page)
			if !ok {
				return nil
			}
			done = true
			return use(page)
		})
		if _, expired := errors.AsType[*event.CursorExpiredError](err); expired && len(r.held) > 0 {
			return use(r.rest())
		}
		if err != nil || done {
			return err
		}
		if err := r.prepare(ctx); err != nil {
			return err
		}
	}
}

// asked is what the log is asked for: one event more than the page has, by which it is known that there are more.
func (r *reading) asked() event.Query {
	q := r.q
	r.unknown, r.doubted, r.behind, r.goesOn = false, "", "", false
	q.Filter.Sight = r.log.sight(r.sees)
	if q.Limit < event.MaxLimit {
		q.Limit++
	}
	return q
}

func (r *reading) sees(e *event.Event) bool {
	v := r.log.see(e)
	if v == visibility.Unknown {
		r.unknown = true
		r.doubt(e)
	}
	return v == visibility.Visible
}

// doubt notes an event before which the page of one who follows has to end.
func (r *reading) doubt(e *event.Event) {
	if r.log.follows && r.q.Order == event.OldestFirst && time.Since(e.ReceivedAt) < followHold && (r.doubted == "" || e.Position < r.doubted) {
		r.doubted = e.Position
	}
}

// upToDoubt is a page that ends before what is not known yet.
func (r *reading) upToDoubt(p event.Page) event.Page {
	seq, ok := r.doubted.Seq()
	if !ok || p.Next != "" && p.Next < r.doubted {
		return p
	}
	p.Events = slices.DeleteFunc(p.Events, func(e event.Event) bool { return e.Position >= r.doubted })
	p.Next, p.More, p.Unjudged = event.NewPosition(r.doubted.Epoch(), seq-1), false, true
	return p
}

// page is the page as the person is given it; false says that it has to be read again, or what follows it.
func (r *reading) page(p event.Page) (event.Page, bool) {
	if r.unknown && time.Now().Before(r.until) {
		return p, false
	}
	found := p.Events
	p.Events, p.Unjudged = nil, r.unknown || r.unjudged
	bytes := event.PageBytes(r.q.MaxBytes)
	p.Looked = time.Time{} // it would tell how much lies on the way that the person may not see
	for i := range found {
		bytes -= len(found[i].Raw)
		// The store may know nothing of sights, and something may have been taken away meanwhile.
		if r.again(&p, &found[i]) {
			p.Events = append(p.Events, r.log.show(&found[i]))
		}
	}
	switch {
	case len(p.Events) > r.q.Limit:
		p.Events = p.Events[:r.q.Limit]
		p.Next, p.More = r.before, true
		if n := len(p.Events); n > 0 {
			p.Next = p.Events[n-1].Position
		}
	case r.doubted != "":
	case !p.More:
		r.end(&p)
	case r.fills(&p, found, bytes):
		return p, false
	case r.more == nil:
		r.behind = p.Next
		return p, false
	case !*r.more:
		r.end(&p)
	}
	p.Events = append(r.still(&p), p.Events...)
	return r.upToDoubt(p), true
}

// again judges once more what was visible. What has become unknown meanwhile is left out, which the page says.
func (r *reading) again(p *event.Page, e *event.Event) bool {
	v := r.log.see(e)
	if v == visibility.Unknown {
		p.Unjudged = true
		r.doubt(e)
	}
	return v == visibility.Visible
}

// fills keeps what was found for a page that is not full, where the log has more: it stopped because it had looked
// at enough, of which the hidden is a part that must not tell.
func (r *reading) fills(p *event.Page, found []event.Event, bytes int) bool {
	now := time.Now()
	if r.filling.IsZero() {
		r.filling = now.Add(cmp.Or(r.log.opt.Look, lookFor))
	}
	if bytes <= 0 || len(p.Events) == event.MaxLimit || r.more != nil || now.After(r.filling) {
		return false
	}
	for i, at := 0, 0; i < len(found) && at < len(p.Events); i++ {
		if found[i].Position == p.Events[at].Position {
			r.held = append(r.held, shown{p.Events[at], visibility.Trim(&found[i])})
			at++
		}
	}
	if n := len(p.Events); n > 0 {
		r.before = p.Events[n-1].Position
	}
	r.q.After, r.q.Limit, r.q.MaxBytes = p.Next, r.q.Limit-len(p.Events), bytes
	r.unjudged, r.goesOn = p.Unjudged, true
	return true
}

// rest is the page of what is held, where what follows it was removed while the page was filled. Behind older events
// there is nothing then; of newer ones the next question says that some are gone.
func (r *reading) rest() event.Page {
	p := event.Page{Next: r.q.After, More: true, Unjudged: r.unjudged}
	if r.q.Order == event.NewestFirst {
		r.end(&p)
	}
	p.Events = r.still(&p)
	return r.upToDoubt(p)
}

// still is what was held for the page and may be seen now.
func (r *reading) still(p *event.Page) (events []event.Event) {
	for i := range r.held {
		if r.again(p, &r.held[i].judged) {
			events = append(events, r.held[i].event)
		}
	}
	return events
}

// end makes a page the last one: what lies behind it is nothing that the person may see.
func (r *reading) end(p *event.Page) {
	if p.More = false; r.q.Order == event.NewestFirst {
		p.Next = ""
	}
}

// prepare finds out what a page has to wait for, if it has.
func (r *reading) prepare(ctx context.Context) error {
	switch {
	case r.goesOn:
		return nil
	case r.behind != "":
		return r.search(ctx)
	}
	waiting, cancel := context.WithDeadline(ctx, r.until)
	defer cancel()
	if r.log.opt.Judge.Await(waiting, r.log.viewer.person) {
		_ = wait.Sleep(waiting, holdStep) // what is still unknown is not asked for, or was only now
	}
	return ctx.Err()
}

// search finds out whether there is anything behind a page that the person may see.
func (r *reading) search(ctx context.Context) error {
	q := r.q
	q.After, q.Limit, q.MaxBytes = r.behind, 1, 1
	q.Filter.Sight = r.log.sight(func(e *event.Event) bool { return r.log.see(e) == visibility.Visible })
	more, ended := false, false
	for began := time.Now(); !more && !ended && time.Since(began) < cmp.Or(r.log.opt.Look, lookFor); {
		err := r.log.log.Query(ctx, q, func(p event.Page) error {
			more, ended, q.After = len(p.Events) > 0, !p.More, p.Next
			return nil
		})
		if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
			ended, err = true, nil
		}
		if err != nil {
			return err
		}
	}
	more = more || !ended
	r.more = &more
	return nil
}

// get finds one event that the person may see. What is hidden and what does not exist is answered alike, and
// takes as long.
func (l Log) get(ctx context.Context, source, id string, use func(*event.Event) error) error {
	began := time.Now()
	r := reading{log: l, until: began.Add(hold)}
	for {
		verdict := visibility.Hidden
		err := l.log.Get(ctx, source, id, func(e *event.Event) error {
			if verdict = l.see(e); verdict != visibility.Visible {
				return nil
			}
			shown := l.show(e)
			return use(&shown)
		})
		switch {
		case err == nil && verdict == visibility.Visible:
			return nil
		case err == nil && verdict == visibility.Unknown && time.Now().Before(r.until):
			if err := r.prepare(ctx); err != nil {
				return err
			}
			continue
		case err == nil || errors.Is(err, event.ErrNotFound):
			_ = wait.Sleep(ctx, absentAfter-time.Since(began))
			return event.ErrNotFound
		}
		return err
	}
}
