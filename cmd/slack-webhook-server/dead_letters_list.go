package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// A lettersPage is what dead-letters list writes as JSON.
type lettersPage struct {
	DeadLetters []operator.Letter `json:"dead_letters"`
	NextCursor  event.Position    `json:"next_cursor,omitempty"`
}

// newDeadLettersList shows dead letters.
func newDeadLettersList(w world) *cobra.Command {
	var f lettersFlags
	var limit int
	var cursor string
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "list [<group>] [flags]",
		Short: "List the dead letters of a group, or of all",
		Long: `List the dead letters of a group, or of all groups, oldest event first, each with how often
it was tried and why it was given up.`,
		Example: `  slack-webhook-server dead-letters list

  slack-webhook-server dead-letters list rule.notify --type app_mention --since 1d`,
		Args: atMost(1),
	}, func(o *operation, args []string) error {
		if limit < 1 || cursor != "" && len(args) == 0 {
			return &usageError{"--limit begins at 1, and --cursor is for one group", o.cmd.CommandPath()}
		}
		page, err := letterPage(o, args, &f, event.Position(cursor), limit)
		if err != nil {
			return err
		}
		if err := console.List(o.print, letterColumns(), page.DeadLetters, page, "There is no dead letter."); err != nil {
			return err
		}
		if page.NextCursor != "" && isTerminal(o.world.stderr) {
			_, err = fmt.Fprintf(o.world.stderr, "There are more: name the group, and --cursor %s\n", page.NextCursor)
		}
		return err
	})
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "Most dead letters to list")
	cmd.Flags().StringVar(&cursor, "cursor", "", "Go on behind this `position`, which the last call named")
	cmd.ValidArgsFunction = completeGroups(w)
	return cmd
}

// letterPage reads the letters of one group after the other, until the limit is reached.
func letterPage(o *operation, args []string, f *lettersFlags, cursor event.Position, limit int) (lettersPage, error) {
	page := lettersPage{DeadLetters: []operator.Letter{}}
	groups, err := o.groupsOr(args)
	if err != nil {
		return page, err
	}
	for _, group := range groups {
		l, err := f.letters(o.cmd, group, nil)
		if err != nil {
			return page, err
		}
		var found []queue.DeadLetter
		if found, page.NextCursor, err = operator.List(o.ctx(), o.Store, l, cursor, limit-len(page.DeadLetters)); err != nil {
			return page, err
		}
		for i := range found {
			page.DeadLetters = append(page.DeadLetters, operator.ViewLetter(&found[i]))
		}
		if page.NextCursor != "" {
			break
		}
	}
	return page, nil
}

func letterColumns() []console.Column[operator.Letter] {
	return []console.Column[operator.Letter]{
		{Name: "group", Max: 24, Cell: func(l operator.Letter) string { return l.Group }},
		{Name: "event id", Max: 36, Cell: func(l operator.Letter) string { return l.EventID }},
		{Name: "type", Max: 30, Cell: func(l operator.Letter) string { return kindOf(l.Type, l.Subtype) }},
		{Name: "channel", Max: 14, Cell: func(l operator.Letter) string { return l.Channel }},
		{Name: "died ago", Right: true, Cell: func(l operator.Letter) string { return agoStamp(l.DiedAt) }},
		{Name: "attempts", Right: true, Cell: func(l operator.Letter) string { return strconv.Itoa(l.Attempts) }},
		{Name: "reason", Max: 60, Cell: func(l operator.Letter) string { return l.Reason }},
	}
}
