package main

import (
	"time"

	"github.com/spf13/cobra"

	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// A filterFlags is what the flags say that choose events.
type filterFlags struct {
	source, team, channel, user, thread string
	types                               []string
	since, until                        string
	excludeSelf                         bool
}

// add gives a command the flags.
func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "Only events of this `source`: slack, or the name of another sender")
	flags.StringSliceVar(&f.types, "type", nil, "Only events of this `type`: message, message.channels, message/channel_join …; several with commas between")
	flags.StringVar(&f.channel, "channel", "", "Only events in the channel with this `id`")
	flags.StringVar(&f.user, "user", "", "Only what the user with this `id` caused")
	flags.StringVar(&f.thread, "thread", "", "Only events in the thread with this `ts`")
	flags.StringVar(&f.team, "team", "", "Only events of the workspace with this `id`")
	flags.StringVar(&f.since, "since", "", "Received since this `time`: an age (2h, 1d), RFC 3339, a day or a ts")
	flags.StringVar(&f.until, "until", "", "Received before this `time`")
	flags.BoolVar(&f.excludeSelf, "exclude-self", false, "Leave out what our own app caused")
}

// filter reads the flags.
func (f *filterFlags) filter(cmd *cobra.Command) (event.Filter, error) {
	out := event.Filter{Source: f.source, Team: f.team, Channel: f.channel, User: f.user, Thread: f.thread, ExcludeSelf: f.excludeSelf}
	var err error
	if out.Patterns, err = event.ParsePatterns(f.types...); err != nil {
		return out, &usageError{"--type: " + err.Error(), cmd.CommandPath()}
	}
	if out.Since, err = timeFlag(cmd, "since", f.since); err != nil {
		return out, err
	}
	out.Until, err = timeFlag(cmd, "until", f.until)
	return out, err
}

func timeFlag(cmd *cobra.Command, name, value string) (time.Time, error) {
	t, err := operator.ParseTime(value, time.Now())
	if err != nil {
		return t, &usageError{"--" + name + ": " + err.Error(), cmd.CommandPath()}
	}
	return t, nil
}
