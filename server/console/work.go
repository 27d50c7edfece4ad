package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/operator"
)

// groups shows the consumer groups with their counts.
func (c *Console) groups(r *http.Request) (any, error) {
	stats, err := c.opt.Store.Stats(r.Context())
	return operator.ViewStats(stats, time.Now()), err
}

// dropGroup forgets a group.
func (c *Console) dropGroup(r *http.Request) (string, error) {
	group := r.PostFormValue("group")
	if err := sure(r); err != nil {
		return "", err
	}
	err := c.opt.Store.DropGroup(r.Context(), group)
	c.changed(r, "group dropped", group, 0, err)
	return "/groups", err
}

// sure wants a person to have said that they mean it.
func sure(r *http.Request) error {
	if r.PostFormValue("sure") != "" {
		return nil
	}
	return problem{"This cannot be taken back.", "Tick that you mean it."}
}

// The bounds of what is shown of dead letters.
const (
	lettersPage = 50
	maxReasoned = 5000 // letters of a group whose reasons are counted
	maxReasons  = 20
)

// A letterRow is a dead letter in a list.
type letterRow struct {
	row

	Position event.Position
	Attempts int
	Reason   string
	Died     time.Time
	Open     string // its page
}

// A reason is why letters of a group died, and how many.
type reason struct {
	Text  string
	Count int64
	Link  string
}

// letters shows the dead letters of a group by reason, or the groups that have some.
func (c *Console) letters(r *http.Request) (any, error) {
	var d struct {
		Groups  []operator.Group
		Group   string
		Dead    int64
		Said    map[string]string
		Reason  string
		Reasons []reason
		Partly  bool
		Rows    []letterRow
		Older   string
		Chosen  bool
	}
	stats, err := c.opt.Store.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	for _, g := range operator.ViewStats(stats, time.Now()).Groups {
		if g.DeadLetters > 0 {
			d.Groups = append(d.Groups, g)
		}
	}
	if d.Group = r.FormValue("group"); d.Group == "" {
		if len(d.Groups) != 1 {
			return d, nil
		}
		d.Group = d.Groups[0].Name
	}
	g, err := operator.GroupOf(stats, d.Group)
	if err != nil {
		return nil, err
	}
	l, err := lettersOf(r, d.Group)
	if err != nil {
		return nil, err
	}
	d.Dead, d.Reason, d.Chosen = g.Dead, l.Reason, l.Chooses()
	d.Said = words(r, filterFields...)
	if d.Reasons, d.Partly, err = c.reasons(r.Context(), d.Group); err != nil {
		return nil, err
	}
	next, err := operator.Each(r.Context(), c.opt.Store, l, event.Position(r.FormValue("cursor")), lettersPage, func(dl *queue.DeadLetter) error {
		one := letterRow{
			row: c.rowOf(&dl.Event), Position: dl.Event.Position, Attempts: dl.Attempts, Reason: c.shown(dl.Reason, maxWhy), Died: dl.DiedAt,
			Open: Base + "/dead-letters/show?" + url.Values{"group": {d.Group}, "position": {string(dl.Event.Position)}}.Encode(),
		}
		d.Rows = append(d.Rows, one)
		return nil
	})
	if next != "" {
		d.Older = older(r, string(next))
	}
	return d, err
}

// lettersOf reads which letters a form chooses.
func lettersOf(r *http.Request, group string) (operator.Letters, error) {
	f, _, err := filterOf(r)
	return operator.Letters{Group: group, Filter: f, Reason: r.FormValue("reason")}, err
}

// reasons counts the letters of a group by why they died, the most frequent first; partly where not all were looked at.
func (c *Console) reasons(ctx context.Context, group string) (list []reason, partly bool, err error) {
	counts := map[string]int64{}
	at, looked := event.Position(""), 0
	for {
		page, err := c.opt.Store.DeadLetters(ctx, group, queue.LetterQuery{After: at, Limit: event.MaxLimit, NoBodies: true})
		if err != nil {
			return nil, false, err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			counts[page[i].Reason]++
		}
		at, looked = page[len(page)-1].Event.Position, looked+len(page)
		if partly = looked >= maxReasoned; partly {
			break
		}
	}
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, reason{
			Text: text, Count: counts[text], Link: Base + "/dead-letters?" + url.Values{"group": {group}, "reason": {text}}.Encode(),
		})
	}
	slices.SortStableFunc(list, func(a, b reason) int { return cmp.Compare(b.Count, a.Count) })
	return list[:min(len(list), maxReasons)], partly, nil
}

// letter shows one dead letter whole.
func (c *Console) letter(r *http.Request) (any, error) {
	var d struct {
		Letter  operator.Letter
		Payload string
		CutOff  bool
		Link    string
	}
	group, at := r.FormValue("group"), event.Position(r.FormValue("position"))
	ctx := r.Context()
	err := operator.Hold(ctx, c.opt.Store, func() error {
		list, err := c.opt.Store.DeadLetters(ctx, group, queue.LetterQuery{After: before(at), Limit: 1})
		if err == nil && (len(list) == 0 || list[0].Event.Position != at) {
			err = fmt.Errorf("dead letter %s of the group %q: %w", at, group, event.ErrNotFound)
		}
		if err != nil {
			return err
		}
		d.Letter = operator.ViewLetter(&list[0])
		d.Payload, d.CutOff = c.payload(d.Letter.Payload)
		d.Letter.Payload, d.Link = nil, eventLink(d.Letter.Source, d.Letter.EventID)
		return nil
	})
	return d, err
}

func (c *Console) redrive(r *http.Request) (string, error) {
	return c.bulk(r, "Redrive", "dead letters redriven", operator.Redrive)
}

func (c *Console) drop(r *http.Request) (string, error) {
	if err := sure(r); err != nil {
		return "", err
	}
	return c.bulk(r, "Drop", "dead letters dropped", operator.Drop)
}

// bulk begins to change dead letters: those that are ticked, or all that the filter matches.
func (c *Console) bulk(r *http.Request, verb, operation string, do func(context.Context, operator.Store, operator.Letters, func(operator.Tally)) (operator.Tally, error)) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", problem{"The form cannot be read.", "Load the page again."}
	}
	group := r.PostFormValue("group")
	l, err := lettersOf(r, group)
	if err != nil {
		return "", err
	}
	switch r.PostFormValue("which") {
	case "ticked":
		l = operator.Letters{Group: group, Refs: r.PostForm["ref"]}
	case "matching":
		l.All = !l.Chooses()
	}
	if !l.Chooses() {
		return "", problem{"No dead letter is chosen.", "Tick some, or choose all that match."}
	}
	if _, err := c.group(r.Context(), group); err != nil {
		return "", err
	}
	return "/dead-letters?" + url.Values{"group": {group}}.Encode(), c.jobs.start(r.Context(), r, verb, operation, group, func(ctx context.Context, tell progress) (int64, error) {
		t, err := do(ctx, c.opt.Store, l, func(t operator.Tally) { tell(t.Looked, t.Of, tallied(t)) })
		if stopped, interrupted := errors.AsType[*operator.InterruptedError](err); interrupted {
			t = stopped.Tally
		}
		tell(t.Looked, t.Of, tallied(t))
		return t.Changed, err
	})
}

func tallied(t operator.Tally) string {
	text := fmt.Sprintf("%s changed (%s looked at)", number(t.Changed), number(t.Looked))
	if t.Left > 0 {
		text += fmt.Sprintf(", %s let be", number(t.Left))
	}
	return text
}

// group finds a group.
func (c *Console) group(ctx context.Context, name string) (queue.GroupStats, error) {
	stats, err := c.opt.Store.Stats(ctx)
	if err != nil {
		return queue.GroupStats{}, err
	}
	return operator.GroupOf(stats, name)
}

// rules shows the rules in force and what they did.
func (c *Console) rules(r *http.Request) (any, error) {
	type shown struct {
		Rule

		Counts operator.Group
		Last   []Attempt
	}
	var d struct {
		Rules []shown
		None  bool
	}
	if d.None = c.opt.Rules == nil; d.None {
		return d, nil
	}
	stats, err := c.opt.Store.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	counts := map[string]operator.Group{}
	for _, g := range operator.ViewStats(stats, time.Now()).Groups {
		counts[g.Name] = g
	}
	for _, one := range c.opt.Rules() {
		d.Rules = append(d.Rules, shown{one, counts[one.Group], c.trail.of(func(a *Attempt) bool { return a.By == one.Group }, lastAttempts)})
	}
	return d, nil
}

// lastAttempts is how many attempts of a rule are shown.
const lastAttempts = 5

// gaps shows the times in which events may have been missed.
func (c *Console) gaps(r *http.Request) (any, error) {
	var d struct {
		Gaps []gaps.Gap
		Open int
		None bool
	}
	if d.None = c.opt.Gaps == nil; d.None {
		return d, nil
	}
	list, err := c.opt.Gaps.List(r.Context())
	slices.Reverse(list)
	d.Open = len(openOf(list))
	d.Gaps = list[:min(len(list), maxRows)]
	return d, err
}

// openOf are the ids of those that are open.
func openOf(list []gaps.Gap) (ids []string) {
	for i := range list {
		if list[i].Open() {
			ids = append(ids, list[i].ID)
		}
	}
	return ids
}

// fill begins to fill a gap, or all that are open.
func (c *Console) fill(r *http.Request) (string, error) {
	if c.opt.Gaps == nil {
		return "", problem{"This server keeps no account of gaps.", "It receives nothing from Slack."}
	}
	target, ids := r.PostFormValue("gap"), []string{r.PostFormValue("gap")}
	if target == "" {
		list, err := c.opt.Gaps.List(r.Context())
		if err != nil {
			return "", err
		}
		target, ids = "all gaps", openOf(list)
	}
	return "/gaps", c.jobs.start(r.Context(), r, "Fill", "gap filled", target, func(ctx context.Context, tell progress) (stored int64, err error) {
		for i, id := range ids {
			n, err := c.fillOne(ctx, id, func(words string) { tell(int64(i), int64(len(ids)), words) })
			if stored += n; err != nil {
				return stored, err
			}
		}
		return stored, nil
	})
}

// fillOne fills one gap, and returns how many messages it stored.
func (c *Console) fillOne(ctx context.Context, id string, tell func(words string)) (stored int64, err error) {
	var last gaps.Gap
	err = c.opt.Gaps.Fill(ctx, id, func(g gaps.Gap) error {
		last = g
		tell(filled(&g))
		return nil
	})
	if last.Fill != nil {
		stored = int64(last.Fill.Stored)
	}
	return stored, cmp.Or(err, ctx.Err())
}

func filled(g *gaps.Gap) string {
	if g.Fill == nil {
		return ""
	}
	return fmt.Sprintf("%d channels read, %d messages found, %d stored", g.Fill.Channels, g.Fill.Messages, g.Fill.Stored)
}
