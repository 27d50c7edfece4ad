package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// newEventsTail follows the events.
func newEventsTail(w world) *cobra.Command {
	var f filterFlags
	var lines int
	var after string
	cmd := newOperate(w, false, &cobra.Command{
		Use:   "tail [flags]",
		Short: "Show the newest events, and each one as it arrives",
		Long: `Show the newest events that match, and then each one as it arrives, until it is stopped.
With --since or --after it begins there. When the server is stopped it waits for the next
one, and goes on where it was.`,
		Example: `  slack-webhook-server events tail

  # What mentions the app, as it comes, for a program
  slack-webhook-server events tail --lines 0 --type app_mention -o jsonl`,
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
		start, err := t.begin(lines, filter.Since, event.Position(after))
		if err != nil {
			return err
		}
		return t.follow(start)
	})
	f.add(cmd)
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "How many of the events that are there already to show")
	cmd.Flags().StringVar(&after, "after", "", "Begin behind this `position`")
	return cmd
}

// A tailer shows events as they come.
type tailer struct {
	*operation

	filter event.Filter
	last   event.Position
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
			return t.show(e)
		})
	})
}

func (t *tailer) show(e event.Event) error {
	if !t.print.People() {
		return t.print.Line(operator.View(&e))
	}
	return console.Line(t.print, eventColumns(), eventRow{operator.View(&e), operator.Summary(&e)})
}
