package rule

import (
	"context"
	"errors"

	"slackmcp/store/queue"
)

// A Message is what a rule posts to Slack. Text is in Slack's markup and is sent as it is.
type Message struct {
	Channel, Text string
	// Thread is the ts of the message that it answers; empty posts to the channel.
	Thread string
}

// A Poster posts to Slack. Its errors say by [queue.Permanent] and [queue.RetryAfter]
// what another try is good for; a post that may have been carried out is permanent.
type Poster interface {
	Post(ctx context.Context, m Message) error
}

type post struct {
	spec    Post
	text    *textTemplate
	allowed int // calls to everybody that the template itself makes
	to      Poster
}

// errNoPoster is found when the rules are loaded, before an event meets it.
var errNoPoster = errors.New("it posts to Slack, and there is no bot token: set SLACK_BOT_TOKEN")

func newPost(s Post, t tools) (action, error) {
	if t.poster == nil {
		return nil, errNoPoster
	}
	p, err := newTemplate(s.Text, escape)
	if err != nil {
		return nil, err
	}
	a := &post{spec: s, text: p, to: t.poster}
	if s.MassMentions {
		a.allowed = len(mass.FindAllString(s.Text, -1))
	}
	return a, nil
}

var (
	errNoChannel = errors.New("the event has no channel to post to")
	errNoText    = errors.New("the template makes an empty message of this event")
)

// do posts. An ambiguous failure ends the event: a second message would be worse than none.
func (a *post) do(ctx context.Context, d queue.Delivery) error {
	text, err := a.text.execute(&d.Event)
	if err != nil {
		return queue.Permanent(err)
	}
	m := Message{Channel: a.spec.Channel, Text: calm(text, a.allowed)}
	if m.Channel == "" {
		m.Channel = d.Event.Channel
	}
	if a.spec.Thread {
		m.Thread = d.Event.Thread
	}
	switch {
	case m.Channel == "":
		return queue.Permanent(errNoChannel)
	case m.Text == "":
		return queue.Permanent(errNoText)
	}
	return a.to.Post(ctx, m)
}
