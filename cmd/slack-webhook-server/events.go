package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/server"
	"slackmcp/server/operate"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/operator"
)

// newEvents is the parent of the commands on received events.
func newEvents(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Look at the received events, and follow them",
		Long: `Look at the events that were received and are kept, on a running server or beside it. What
would let its reader act as another (tokens, response URLs) is left out.`,
		Example: `  slack-webhook-server events list --since 1h

  slack-webhook-server events tail --type app_mention`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEventsList(w), newEventsGet(w), newEventsTail(w), newEventsGaps(w))
	return cmd
}

// eventRow is one line of a table of events.
type eventRow struct {
	operator.Event

	summary string
}

// rowOf shows an event. A table has no place for the payload, nor for a long text.
func rowOf(e *event.Event, people bool) eventRow {
	if !people {
		return eventRow{Event: operator.View(e)}
	}
	const longest = 400
	row := eventRow{operator.View(e), operator.Summary(e)}
	row.Payload = nil
	if len(row.summary) > longest {
		row.summary = strings.ToValidUTF8(strings.Clone(row.summary[:longest]), "")
	}
	return row
}

// eventColumns are those of every table of events.
func eventColumns() []console.Column[eventRow] {
	return []console.Column[eventRow]{
		{Name: "received", Cell: func(r eventRow) string { return localTime(r.ReceivedAt) }},
		{Name: "source", Max: 20, Cell: func(r eventRow) string { return r.Source }},
		{Name: "event id", Max: 36, Cell: func(r eventRow) string { return r.EventID }},
		{Name: "type", Max: 30, Cell: func(r eventRow) string { return kindOf(r.Type, r.Subtype) }},
		{Name: "channel", Max: 14, Cell: func(r eventRow) string { return r.Channel }},
		{Name: "user", Max: 14, Cell: func(r eventRow) string { return r.User }},
		{Name: "text", Max: 60, Cell: func(r eventRow) string { return r.summary }},
	}
}

func kindOf(typ, subtype string) string { return event.Kind{Type: typ, Subtype: subtype}.String() }

// localTime writes an instant as the person at the terminal reads a clock.
func localTime(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return stamp
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// An eventsEnd is what events list writes as JSON behind the events.
type eventsEnd struct {
	NextCursor event.Position `json:"next_cursor"`
	HasMore    bool           `json:"has_more"`
	// Looked is, of a search for words that has not come to its end, when the last event was received at which it
	// looked.
	Looked string `json:"looked_to,omitempty"`
}

// searchPatience is how long events list looks for words at once.
const searchPatience = 20 * time.Second

// newEventsList shows a page of the stored events.
func newEventsList(w world) *cobra.Command {
	var f filterFlags
	var order, cursor string
	var limit int
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the stored events, newest first",
		Long: `List the stored events, newest first unless --order says otherwise. All filters have to
match. What does not fit into --limit is reached by --cursor, with the same filters.

--query looks for words in messages, with their blocks, attachments and files, in commands and
in what other senders post; capitals and accents make no difference. A search that takes longer
than 20 seconds ends, says how far it looked, and goes on with --cursor.`,
		Example: `  slack-webhook-server events list --type message --channel C0123456789 --since 2h

  # Who said that the deployment failed
  slack-webhook-server events list --query '"deployment failed"' --since 7d

  # All of yesterday's, one JSON object a line
  slack-webhook-server events list --since 2026-01-30 --until 2026-01-31 --limit 100000 -o jsonl`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		filter, err := f.filter(o.cmd)
		if err != nil {
			return err
		}
		if order != "newest" && order != "oldest" || limit < 1 {
			return &usageError{"--order is newest or oldest, and --limit begins at 1", o.cmd.CommandPath()}
		}
		q := event.Query{Filter: filter, After: event.Position(cursor)}
		if order == "oldest" {
			q.Order = event.OldestFirst
		}
		return listEvents(o, q, limit)
	})
	f.add(cmd)
	cmd.Flags().StringVar(&f.Query, "query", "", "Only events that say these `words`: all of them; \"in quotes\" together; deploy* for what begins so")
	cmd.Flags().IntVar(&limit, "limit", 50, "Most events to list")
	cmd.Flags().StringVar(&order, "order", "newest", "Which come first: `newest|oldest`")
	cmd.Flags().StringVar(&cursor, "cursor", "", "Go on behind this `position`, which the last call named")
	return cmd
}

// listEvents reads pages until the limit is reached, nothing is left, or a search has taken its time. It holds one
// page.
func listEvents(o *operation, q event.Query, limit int) error {
	const most = 200 // events in one answer
	out := &console.Stream[eventRow]{Printer: o.print, Columns: eventColumns(), Member: "events", None: "No event matches."}
	page, looked, ends := event.Page{More: true, Next: q.After}, time.Time{}, time.Now().Add(searchPatience)
	patient := func() bool { return q.Filter.Text == nil || time.Now().Before(ends) }
	for found := 0; page.More && found < limit && patient() && o.ctx().Err() == nil; found += len(page.Events) {
		q.Limit, q.After = min(limit-found, most), page.Next
		var err error
		if page, err = o.Store.History(o.ctx(), q); err != nil {
			return err
		}
		if err := addRows(o, out, page.Events); err != nil {
			return err
		}
		if !page.Looked.IsZero() {
			looked = page.Looked
		}
	}
	return endList(o, out, &page, looked)
}

func addRows(o *operation, out *console.Stream[eventRow], list []event.Event) error {
	for i := range list {
		if err := out.Add(rowOf(&list[i], o.print.People())); err != nil {
			return err
		}
	}
	return nil
}

// endList ends a list with the page that was read last, and says how to go on.
func endList(o *operation, out *console.Stream[eventRow], page *event.Page, looked time.Time) error {
	end := eventsEnd{NextCursor: page.Next, HasMore: page.More}
	if page.More && !looked.IsZero() {
		end.Looked = looked.UTC().Format(time.RFC3339)
	}
	err := out.End(end)
	switch {
	case err != nil:
	case end.Looked != "":
		_, err = fmt.Fprintf(o.world.stderr, "Looked as far as what was received at %s. To go on: --cursor %s\n", localTime(end.Looked), page.Next)
	case page.More && isTerminal(o.world.stderr):
		_, err = fmt.Fprintf(o.world.stderr, "There are more: --cursor %s\n", page.Next)
	}
	return err
}

// A wholeEvent is what events get writes.
type wholeEvent struct {
	operator.Event

	Groups []operator.GroupState `json:"groups"`
}

// newEventsGet shows one event whole, and its way through the groups.
func newEventsGet(w world) *cobra.Command {
	var source string
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "get <event-id> [flags]",
		Short: "Show one event with its payload, and what became of it",
		Long: `Show one event as JSON, with its payload and what became of it in each group: whether it waits,
is in flight, is to be tried again and when, is done, or is a dead letter and why. What would let
its reader act as another is left out. An event of another sender than Slack is named with
--source, or as source:id.`,
		Example: `  slack-webhook-server events get Ev0123456789

  slack-webhook-server events get contact_created:evt_17 | jq .payload

  # Which groups are not done with it?
  slack-webhook-server events get Ev0123456789 | jq '.groups[] | select(.state != "done")'`,
		Args: exactly(1, "the id of an event; events list shows them"),
	}, func(o *operation, args []string) error {
		e, err := operator.Find(o.ctx(), o.Store, args[0], source)
		if err != nil {
			return err
		}
		groups, err := operator.States(o.ctx(), o.Store, &e)
		if err != nil {
			return err
		}
		return o.print.Value(wholeEvent{operator.View(&e), groups})
	})
	cmd.Flags().StringVar(&source, "source", "", "The event's `source`; slack when it is not given")
	return cmd
}

// newEventsTail follows the events.
func newEventsTail(w world) *cobra.Command {
	var f filterFlags
	var lines int
	var after, forwardTo string
	cmd := newOperate(w, false, &cobra.Command{
		Use:   "tail [flags]",
		Short: "Show the newest events, and each one as it arrives",
		Long: `Show the newest events that match, and then each one as it arrives, until it is stopped.
With --since or --after it begins there. When the server is stopped it waits for the next
one, and goes on where it was.

With --forward-to each one that arrives is posted there as well, to a program that is being
written: the body as it came, the headers that are kept, and a fresh signature of its
sender's kind, with the secret of the settings here. Slack's are without tokens.`,
		Example: `  slack-webhook-server events tail

  # What mentions the app, as it comes, for a program
  slack-webhook-server events tail --lines 0 --type app_mention -o jsonl

  # What Stripe sends, to a program on this machine
  slack-webhook-server events tail --source payments --forward-to http://127.0.0.1:8080/stripe`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		filter, err := f.filter(o.cmd)
		if err != nil {
			return err
		}
		if lines < 0 || lines > event.MaxLimit {
			return &usageError{fmt.Sprintf("--lines is 0 to %d", event.MaxLimit), o.cmd.CommandPath()}
		}
		t := &tailer{operation: o, filter: filter}
		t.filter.Since = time.Time{} // it is where the tail begins
		if forwardTo != "" {
			if t.forward, err = newForwarder(o, forwardTo); err != nil {
				return err
			}
		}
		start, err := t.begin(lines, filter.Since, event.Position(after))
		if err != nil {
			return err
		}
		return t.follow(start)
	})
	f.add(cmd)
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "How many of the events that are there already to show")
	cmd.Flags().StringVar(&after, "after", "", "Begin behind this `position`")
	cmd.Flags().StringVar(&forwardTo, "forward-to", "", "Post each event that arrives to this `address` as well")
	return cmd
}

// A tailer shows events as they come.
type tailer struct {
	*operation

	filter  event.Filter
	last    event.Position
	forward *forwarder // nil forwards nothing
}

// begin shows what is there already and says where to go on.
func (t *tailer) begin(lines int, since time.Time, after event.Position) (queue.Start, error) {
	switch {
	case after != "":
		return queue.Start{After: after}, nil
	case !since.IsZero():
		return queue.Start{Since: since}, nil
	}
	stats, err := t.Store.Stats(t.ctx())
	if err != nil {
		return queue.Start{}, err
	}
	if lines > 0 {
		p, err := t.Store.History(t.ctx(), event.Query{Filter: t.filter, Limit: lines})
		if err != nil {
			return queue.Start{}, err
		}
		for _, e := range slices.Backward(p.Events) {
			if err := t.show(e); err != nil {
				return queue.Start{}, err
			}
			stats.Newest = max(stats.Newest, e.Position)
		}
	}
	return queue.Start{After: stats.Newest}, nil // of an empty store: from its beginning
}

// follow shows events until the context ends. A server that goes away is waited for.
func (t *tailer) follow(start queue.Start) error {
	return t.lasting(t.ctx(), func(ctx context.Context) error {
		if t.last != "" {
			start = queue.Start{After: t.last}
		}
		return t.Store.Tail(ctx, start, func(e event.Event) error {
			t.last = e.Position
			if !t.filter.Match(&e) {
				return nil
			}
			if err := t.show(e); err != nil {
				return err
			}
			return t.forward.post(ctx, &e)
		})
	})
}

func (t *tailer) show(e event.Event) error {
	if !t.print.People() {
		return t.print.Line(operator.View(&e))
	}
	return console.Line(t.print, eventColumns(), rowOf(&e, true))
}

// newEventsGaps is the parent of the commands on gaps.
func newEventsGaps(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gaps",
		Short: "Look at the times in which events may have been missed, and fill them",
		Long: `Look at the times in which events may have been missed: Slack withheld them, no server ran,
or none could store them. A gap is filled from the history of the channels.`,
		Example: `  slack-webhook-server events gaps list

  slack-webhook-server events gaps fill`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGapsList(w), newGapsFill(w))
	return cmd
}

// running returns the running server, which alone knows Slack and the gaps.
func (o *operation) running() (*operate.Client, error) {
	client, ok := o.Store.(*operate.Client)
	if !ok {
		return nil, errors.New("no server answers in DATA_DIR, and this is a running server's: start it, or name its directory with --data-dir")
	}
	return client, nil
}

func (o *operation) listGaps() ([]gaps.Gap, error) {
	client, err := o.running()
	if err != nil {
		return nil, err
	}
	list, err := operate.Ask[server.GapsList](o.ctx(), client, server.GapsListRoute, struct{}{})
	return list.Gaps, err
}

// newGapsList shows the gaps.
func newGapsList(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the times in which events may have been missed",
		Long: `List the times in which events may have been missed, oldest first, with how each was noticed
and how far it was filled.`,
		Example: `  slack-webhook-server events gaps list

  # Which are open?
  slack-webhook-server events gaps list --output json | jq '.gaps[] | select(.fill.done_at == null)'`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		list, err := o.listGaps()
		if err != nil {
			return err
		}
		return console.List(o.print, gapColumns(), list, server.GapsList{Gaps: list}, "No gap is known.")
	})
}

func gapColumns() []console.Column[gaps.Gap] {
	const stamp = "2006-01-02 15:04:05"
	return []console.Column[gaps.Gap]{
		{Name: "gap", Cell: func(g gaps.Gap) string { return g.ID }},
		{Name: "noticed by", Cell: func(g gaps.Gap) string { return string(g.Kind) }},
		{Name: "from", Cell: func(g gaps.Gap) string { return g.From.Local().Format(stamp) }},
		{Name: "to", Cell: func(g gaps.Gap) string { return g.To.Local().Format(stamp) }},
		{Name: "state", Cell: func(g gaps.Gap) string { return g.State() }},
		{Name: "stored", Right: true, Cell: func(g gaps.Gap) string {
			if g.Fill == nil {
				return ""
			}
			return strconv.Itoa(g.Fill.Stored)
		}},
		{Name: "skipped", Max: 40, Cell: func(g gaps.Gap) string {
			if g.Fill == nil {
				return ""
			}
			return strings.Join(g.Fill.Skipped, ", ")
		}},
	}
}

// newGapsFill fills one gap, or all that are open.
func newGapsFill(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "fill [flags] [<gap>...]",
		Short: "Read what was said in a gap, and store what is missing",
		Long: `Read what was said in the gaps that are named, or in all that are open, from the history of
every conversation that the bot is in, and store the messages that are not stored yet. They
reach handlers and assistants as new events. Slack's limits are kept, so a large workspace
takes its time; interrupted, it goes on where it was when it is run again.`,
		Example: `  # All that are open
  slack-webhook-server events gaps fill

  # One of the list
  slack-webhook-server events gaps fill 1732557000000-downtime`,
		Args: cobra.ArbitraryArgs,
	}, fillGaps)
}

func fillGaps(o *operation, ids []string) error {
	list, err := o.listGaps()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		for i := range list {
			if list[i].Open() {
				ids = append(ids, list[i].ID)
			}
		}
	}
	client, err := o.running()
	if err != nil {
		return err
	}
	filled := []gaps.Gap{}
	for _, id := range ids {
		var last gaps.Gap
		err := operate.Follow(o.ctx(), client, server.GapsFillRoute, server.GapsFill{ID: id}, func(g gaps.Gap) error {
			last = g
			return o.gapProgress(g)
		})
		if err == nil {
			err = o.ctx().Err()
		}
		if err != nil {
			return err
		}
		filled = append(filled, last)
	}
	return console.List(o.print, gapColumns(), filled, server.GapsList{Gaps: filled}, "No gap is open.")
}

// gapProgress shows a person how far a gap has been read.
func (o *operation) gapProgress(g gaps.Gap) error {
	if !isTerminal(o.world.stderr) || g.Fill == nil {
		return nil
	}
	_, err := fmt.Fprintf(o.world.screen, "\r%s: %d channels read, %d messages found, %d stored", g.ID, g.Fill.Channels, g.Fill.Messages, g.Fill.Stored)
	if !g.Open() {
		_, err = fmt.Fprintln(o.world.stderr)
	}
	return err
}

// A filterFlags is what the flags say that choose events.
type filterFlags struct{ operator.FilterText }

// add gives a command the flags.
func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Source, "source", "", "Only events of this `source`: slack, or the name of another sender")
	flags.StringSliceVar(&f.Types, "type", nil, "Only events of this `type`: message, message.channels, message/channel_join …; several with commas between")
	flags.StringVar(&f.Channel, "channel", "", "Only events in the channel with this `id`")
	flags.StringVar(&f.User, "user", "", "Only what the user with this `id` caused")
	flags.StringVar(&f.Thread, "thread", "", "Only events in the thread with this `ts`")
	flags.StringVar(&f.Team, "team", "", "Only events of the workspace with this `id`")
	flags.StringVar(&f.Since, "since", "", "Received since this `time`: an age (2h, 1d), RFC 3339, a day or a ts")
	flags.StringVar(&f.Until, "until", "", "Received before this `time`")
	flags.BoolVar(&f.ExcludeSelf, "exclude-self", false, "Leave out what our own app caused")
}

// filter reads the flags.
func (f *filterFlags) filter(cmd *cobra.Command) (event.Filter, error) {
	out, err := f.Filter(time.Now())
	if err != nil {
		return out, &usageError{"--" + err.Error(), cmd.CommandPath()}
	}
	return out, nil
}

func timeFlag(cmd *cobra.Command, name, value string) (time.Time, error) {
	t, err := operator.ParseTime(value, time.Now())
	if err != nil {
		return t, &usageError{"--" + name + ": " + err.Error(), cmd.CommandPath()}
	}
	return t, nil
}
