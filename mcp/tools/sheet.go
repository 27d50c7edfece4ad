package tools

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// noteCut says how to go on with a list that did not fit into its result.
const noteCut = "The list was cut to keep it readable: go on with next_cursor."

// noteLong and noteLongEvent say how what was cut is read.
const (
	noteLong      = "What is flagged truncated was cut: a message comes whole with response_format detailed and limit 1, its ts as oldest and latest, and inclusive."
	noteLongEvent = "What is flagged truncated was cut: slack_get_event has it whole."
)

// rows is how many items a list shows: as many as were asked for, or what is usual in concise or in
// detailed form.
func rows(asked int, format string, inConcise, inDetailed int) int {
	if format == detailed {
		return cmp.Or(asked, inDetailed)
	}
	return cmp.Or(asked, inConcise)
}

// A sheet is a result that is filled with messages and events while its budget lasts.
type sheet struct {
	budget *view.Budget
	met    view.Introduction
}

// maxWhole is how many characters a message that is asked for whole takes at most.
const maxWhole = 400_000

func newSheet(whole bool) *sheet {
	if whole {
		return &sheet{budget: view.NewBudgetOf(maxWhole)}
	}
	return &sheet{budget: view.NewBudget()}
}

// messages shows messages within the budget. It reports whether some were left out.
func (s *sheet) messages(r *view.Reading, o view.MessageOptions, list []slackapi.Message) (shown []view.Message, cut bool) {
	return fit(s.budget.Naming(r), list, func(raw *slackapi.Message) view.Message {
		m := r.Message(raw, o)
		if !o.Detailed {
			s.met.Message(&m)
		}
		return m
	})
}

// before shows messages that Slack returned newest first, oldest first.
func (s *sheet) before(r *view.Reading, o view.MessageOptions, list []slackapi.Message) []view.Message {
	shown, _ := fit(s.budget.Naming(r), list, func(raw *slackapi.Message) view.Message { return r.Message(raw, o) })
	slices.Reverse(shown)
	var met view.Introduction
	for i := range shown {
		if !o.Detailed {
			met.Message(&shown[i])
		}
	}
	return shown
}

// takes reports whether an event is within the budget, and takes it from there. Of one in concise form it leaves out what
// those above have told.
func (s *sheet) takes(v *view.Event, format string) bool {
	if format != detailed {
		s.met.Event(v)
	}
	return s.budget.Takes(v)
}

// isCut reports a message of which something was cut.
func isCut(list []view.Message) bool {
	return slices.ContainsFunc(list, func(m view.Message) bool { return slices.Contains(m.Flags, view.FlagTruncated) })
}

// areCut reports an event of which something was cut.
func areCut(list []view.Event) bool {
	return slices.ContainsFunc(list, func(v view.Event) bool { return slices.Contains(v.Flags, view.FlagTruncated) })
}

// fit shows the items of a list within the budget. It reports whether some were left out.
func fit[T, V any](budget *view.Budget, list []T, show func(*T) V) (shown []V, cut bool) {
	shown = []V{}
	for i := range list {
		v := show(&list[i])
		if !budget.Takes(v) {
			return shown, true
		}
		shown = append(shown, v)
	}
	return shown, false
}

// A spot is where a list goes on: behind so many items of the page that a cursor of Slack's begins.
type spot struct {
	cursor string
	skip   int
}

// cursorSkip begins a cursor into the middle of a page; any other is Slack's.
const cursorSkip = "skip:"

// maxSkip bounds how deep in a page a list goes on.
const maxSkip = 10_000

// spotOf reads a cursor that [spot.next] wrote.
func spotOf(cursor string) (spot, error) {
	rest, ok := strings.CutPrefix(cursor, cursorSkip)
	if !ok {
		return spot{cursor: cursor}, nil
	}
	number, slack, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > maxSkip {
		return spot{}, &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this tool's; start again without one"}
	}
	return spot{cursor: slack, skip: n}, nil
}

// behind are the items of the page that were not shown yet.
func behind[T any](s spot, page []T) []T { return page[min(s.skip, len(page)):] }

// next is where to go on behind the items that were shown: in the same page when it was cut, or
// with Slack's next one; "" at the end.
func (s spot) next(shown int, cut bool, slack string) string {
	if !cut {
		return slack
	}
	return cursorSkip + strconv.Itoa(s.skip+shown) + ":" + s.cursor
}

// A paging says where a list goes on.
type paging struct {
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
	Note       string `json:"note,omitempty"`
}

// page notes where the list goes on, "" for nowhere, and whether it was cut to fit.
func (p *paging) page(next string, cut bool) {
	if p.NextCursor, p.HasMore = next, next != ""; cut {
		p.Note = noteCut
	}
}
