package tools

import (
	"context"
	"errors"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

const (
	setAdmin = "admin"
	// bulkPatience bounds one call that changes many events; the next call goes on.
	bulkPatience = 60 * time.Second
)

type adminGroupsOut struct {
	Groups []adminGroup `json:"groups"`
}

type adminGroup struct {
	Group                string  `json:"group"`
	Waiting              int64   `json:"waiting" doc:"in flight and to be retried included"`
	InFlight             int64   `json:"in_flight"`
	Retrying             int64   `json:"retrying"`
	Done                 int64   `json:"done"`
	DeadLetters          int64   `json:"dead_letters"`
	Expired              int64   `json:"expired"`
	OldestWaitingSeconds float64 `json:"oldest_waiting_seconds"`
	Stalled              bool    `json:"stalled" doc:"events are due and nobody works them"`
}

// lettersFilter names the events of a group that an admin tool is about.
type lettersFilter struct {
	eventFilter
	Since string `json:"since,omitempty" doc:"ts, ISO 8601 or age (2h, 1d, 2w)"`
	Until string `json:"until,omitempty" doc:"Likewise"`
}

type listLettersIn struct {
	Group string `json:"group" doc:"Consumer group, as slack_admin_list_groups names it"`
	lettersFilter
	Limit  int    `json:"limit,omitempty" min:"1" max:"200" default:"50" doc:"Most dead letters"`
	Cursor string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type letterView struct {
	Event    view.Event `json:"event"`
	Attempts int        `json:"attempts"`
	Reason   string     `json:"reason" doc:"why the group gave up"`
	DiedAt   string     `json:"died_at"`
	Flags    view.Flags `json:"flags,omitempty"`
}

type listLettersOut struct {
	view.Mark
	DeadLetters []letterView `json:"dead_letters"`
	NextCursor  string       `json:"next_cursor" doc:"Pass as cursor to go on; empty at the end"`
	view.Legend
}

// rehearsal is the dry_run of the admin tools. They repeat nothing by themselves: what a
// call has changed the next one finds changed.
type rehearsal struct {
	DryRun bool `json:"dry_run,omitempty" doc:"Change nothing, count what would be changed"`
}

type changeLettersIn struct {
	Group    string   `json:"group" doc:"Consumer group, as slack_admin_list_groups names it"`
	EventIDs []string `json:"event_ids,omitempty" alias:"event_id,ids" split:"," max:"200" doc:"Only these; of other senders than Slack as source:id"`
	lettersFilter
	All bool `json:"all,omitempty" doc:"Every dead letter of the group"`
	rehearsal
}

type replayIn struct {
	Group    string   `json:"group" doc:"Consumer group that is to work them, as slack_admin_list_groups names it"`
	EventIDs []string `json:"event_ids,omitempty" alias:"event_id,ids" split:"," max:"200" doc:"Only these; of other senders than Slack as source:id"`
	lettersFilter
	After string `json:"after,omitempty" doc:"next_cursor of a call that was not complete"`
	All   bool   `json:"all,omitempty" doc:"Every stored event"`
	rehearsal
}

type bulkOut struct {
	Group      string `json:"group"`
	Changed    int64  `json:"changed" doc:"with dry_run: that would be changed"`
	LeftAlone  int64  `json:"left_alone" doc:"chosen, but being handled or no longer there"`
	LookedAt   int64  `json:"looked_at"`
	Complete   bool   `json:"complete" doc:"false: call again to go on"`
	NextCursor string `json:"next_cursor,omitempty" doc:"of a replay that is not complete: pass as after"`
	DryRun     bool   `json:"dry_run,omitempty"`
}

func adminTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_admin_list_groups", Title: "List consumer groups", Set: setAdmin, Scope: access.Admin, For: toolset.ServiceOnly, Why: whyQueue,
			Description: "List the consumer groups that work the received events, each with what is done, waiting, being retried and given up. Use it to see whether handlers keep up; then look at failures with slack_admin_list_dead_letters.",
		}, (*kit).adminGroups),
		define(ks, toolset.Tool{
			Name: "slack_admin_list_dead_letters", Title: "List dead letters", Set: setAdmin, Scope: access.Admin, For: toolset.ServiceOnly, Why: whyQueue,
			Description: "List the events that a consumer group gave up, with the reason and the number of attempts, oldest first. When the cause is mended give them back with slack_admin_redrive_dead_letters; what is not worth it remove with slack_admin_drop_dead_letters.",
		}, (*kit).adminLetters),
		define(ks, toolset.Tool{
			Name: "slack_admin_redrive_dead_letters", Title: "Redrive dead letters", Set: setAdmin, Scope: access.Admin, For: toolset.ServiceOnly, Why: whyQueue, Effect: toolset.Sets,
			Description: "Give dead letters back to their group, to be tried anew: those of event_ids, those that the filters match, or all. Use it once the cause is mended. With many it may not be complete within a call: call it again with the same arguments.",
		}, (*kit).adminRedrive),
		define(ks, toolset.Tool{
			Name: "slack_admin_drop_dead_letters", Title: "Drop dead letters", Set: setAdmin, Scope: access.Admin, For: toolset.ServiceOnly, Why: whyQueue, Effect: toolset.Destroys,
			Description: "Remove dead letters of a group for good: those of event_ids, those that the filters match, or all. It cannot be undone: ask the user first, and see with dry_run how many it would be.",
		}, (*kit).adminDrop),
		define(ks, toolset.Tool{
			Name: "slack_admin_replay_events", Title: "Replay events", Set: setAdmin, Scope: access.Admin, For: toolset.ServiceOnly, Why: whyQueue, Effect: toolset.Adds,
			Description: "Have a consumer group work stored events once more, whatever became of them there: those of event_ids, those of a time or that the filters match, or all. Its handlers act again, so ask the user first, and see with dry_run how many it would be.",
		}, (*kit).adminReplay),
	}
}

func (k *kit) adminGroups(ctx context.Context, _ *toolset.Call, _ struct{}) (adminGroupsOut, error) {
	stats, err := k.Operator.Stats(ctx)
	out := adminGroupsOut{Groups: []adminGroup{}}
	for _, g := range operator.ViewStats(stats, k.now()).Groups {
		out.Groups = append(out.Groups, adminGroup{
			Group: g.Name, Waiting: g.Waiting, InFlight: g.InFlight, Retrying: g.Retrying, Done: g.Done,
			DeadLetters: g.DeadLetters, Expired: g.Expired, OldestWaitingSeconds: g.OldestWaitingSeconds, Stalled: g.Stalled,
		})
	}
	return out, err
}

// errFull ends a list that has no room for more.
var errFull = errors.New("the result is full")

func (k *kit) adminLetters(ctx context.Context, _ *toolset.Call, in listLettersIn) (listLettersOut, error) {
	f, err := k.lettersFilter(ctx, in.lettersFilter)
	if err != nil {
		return listLettersOut{}, err
	}
	after, err := position(cursor.Codec{}, in.Cursor)
	if err != nil {
		return listLettersOut{}, err
	}
	var out listLettersOut
	letters := operator.Letters{Group: in.Group, Filter: f}
	err = k.Judge.Read(ctx, func(r *view.Reading) error {
		out = listLettersOut{DeadLetters: []letterView{}}
		budget, last := view.NewBudget(), after
		next, err := operator.Each(ctx, k.Operator, letters, after, in.Limit, func(d *operator.DeadLetter) error {
			v := letterView{Attempts: d.Attempts, DiedAt: view.Time(d.DiedAt)}
			v.Event = k.row(r, &d.Event, "")
			if r.Lockdown() {
				v.Flags.Add(view.FlagWithheld) // it may quote the event
			} else {
				v.Reason = v.Flags.Text(d.Reason, excerpt)
			}
			if !budget.Takes(v) {
				return errFull
			}
			out.DeadLetters, last = append(out.DeadLetters, v), d.Event.Position
			return nil
		})
		if errors.Is(err, errFull) {
			next, err = last, nil
		}
		out.NextCursor, out.Legend = string(next), r.Legend()
		return err
	})
	return out, err
}

func (k *kit) lettersFilter(ctx context.Context, in lettersFilter) (event.Filter, error) {
	q, err := k.query(ctx, listEventsIn{eventFilter: in.eventFilter, Since: in.Since, Until: in.Until})
	return q.Filter, err
}

func (k *kit) adminRedrive(ctx context.Context, c *toolset.Call, in changeLettersIn) (bulkOut, error) {
	return k.changeLetters(ctx, c, in, operator.Redrive)
}

func (k *kit) adminDrop(ctx context.Context, c *toolset.Call, in changeLettersIn) (bulkOut, error) {
	return k.changeLetters(ctx, c, in, operator.Drop)
}

func (k *kit) changeLetters(ctx context.Context, c *toolset.Call, in changeLettersIn,
	change func(context.Context, operator.Store, operator.Letters, func(operator.Tally)) (operator.Tally, error),
) (bulkOut, error) {
	f, err := k.lettersFilter(ctx, in.lettersFilter)
	if err != nil {
		return bulkOut{}, err
	}
	if err := chosen(in.EventIDs, in.All, in.lettersFilter, ""); err != nil {
		return bulkOut{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	letters := operator.Letters{Group: in.Group, Refs: in.EventIDs, Filter: f, All: in.All, DryRun: in.DryRun}
	tally, err := change(ctx, k.Operator, letters, progressOf(c))
	return bulkResult(in.Group, in.DryRun, tally, err)
}

func (k *kit) adminReplay(ctx context.Context, c *toolset.Call, in replayIn) (bulkOut, error) {
	f, err := k.lettersFilter(ctx, in.lettersFilter)
	if err != nil {
		return bulkOut{}, err
	}
	after, err := position(cursor.Codec{}, in.After)
	if err != nil {
		return bulkOut{}, err
	}
	if err := chosen(in.EventIDs, in.All, in.lettersFilter, in.After); err != nil {
		return bulkOut{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	events := operator.Events{Refs: in.EventIDs, Filter: f, After: after, All: in.All, DryRun: in.DryRun}
	tally, err := operator.Replay(ctx, k.Operator, in.Group, events, progressOf(c))
	out, err := bulkResult(in.Group, in.DryRun, tally, err)
	if !out.Complete {
		out.NextCursor = string(tally.At)
	}
	return out, err
}

// chosen keeps a forgotten argument from meaning all.
func chosen(ids []string, all bool, f lettersFilter, after string) error {
	none := f.Channel == "" && len(f.Types) == 0 && f.User == "" && f.Thread == "" && f.Source == "" && f.Since == "" && f.Until == ""
	switch {
	case len(ids) > 0 && (all || !none):
		return &toolset.ArgumentError{Argument: "event_ids", Problem: "it excludes all and the filters"}
	case len(ids) == 0 && !all && none && after == "":
		return &toolset.ArgumentError{Argument: "event_ids", Problem: "say which: event_ids, a filter, or all"}
	}
	return nil
}

func progressOf(c *toolset.Call) func(operator.Tally) {
	return func(t operator.Tally) { c.Progress(float64(t.Looked), float64(t.Of), "") }
}

// bulkResult says how far long work has come. That its time was over is no error when it
// has done something: the next call goes on.
func bulkResult(group string, dryRun bool, t operator.Tally, err error) (bulkOut, error) {
	out := bulkOut{Group: group, Changed: t.Changed, LeftAlone: t.Left, LookedAt: t.Looked, Complete: err == nil, DryRun: dryRun}
	if _, stopped := errors.AsType[*operator.InterruptedError](err); stopped && errors.Is(err, context.DeadlineExceeded) && t.Looked > 0 {
		return out, nil
	}
	return out, err
}

// groupFault is what a model reads about a group that does not exist.
const groupFault = "group_not_found: there is no consumer group of this name. Take it from slack_admin_list_groups."
