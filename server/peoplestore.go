package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"slackmcp/config"
	"slackmcp/mcp/visibility"
	"slackmcp/signin/rows"
	"slackmcp/signin/slack"
	"slackmcp/store/state"
)

// A peopleMark says whose people a store has. It is not sealed, so that it is read with other keys too.
type peopleMark struct {
	// Host is where the people are known: slack.com, or the sandbox.
	Host string `json:"host"`
	// Epoch is that of the log. With another one, as after a loss or a backup that was put in place,
	// sign-ins that had ended could be there again.
	Epoch string `json:"epoch,omitempty"`
}

const peopleMarkKey = "people-of"

// peoplePrefixes begin the keys of all that is kept of people. A copy of the store leaves it out unless it
// was asked for people.
func peoplePrefixes() []string { return append(signInPrefixes(), visibility.Prefix) }

// signInPrefixes begin the keys of what people need to be signed in.
func signInPrefixes() []string { return append(rows.Prefixes(), slack.Prefix) }

// admitPeople makes sure that what a store has of people is of these people, and of this epoch. It returns
// how many rows it has dropped, because they were not of this epoch, or of a sandbox that has ended.
func admitPeople(ctx context.Context, values state.Store, now peopleMark) (dropped int, err error) {
	was, err := markOf(ctx, values)
	if err != nil || was == now && now.Host != hostOfSandbox {
		return 0, err
	}
	if now.Epoch == "" {
		now.Epoch = was.Epoch // this process does not see it
	}
	switch {
	case was.Host == "" || was.Host == now.Host && was.Epoch == now.Epoch && now.Host != hostOfSandbox:
	case was.Host == now.Host:
		dropped, err = forgetPeople(ctx, values)
	default:
		err = strangersKept(ctx, values, was, now)
	}
	if err != nil {
		return dropped, err
	}
	text, err := json.Marshal(now)
	if err == nil {
		_, err = values.Put(ctx, peopleMarkKey, text, state.Put{})
	}
	return dropped, err
}

// markOf reads the mark; a store without one has no people yet.
func markOf(ctx context.Context, values state.Store) (m peopleMark, _ error) {
	e, err := values.Get(ctx, peopleMarkKey)
	if errors.Is(err, state.ErrNotFound) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read whose people the store has: %w", err)
	}
	return m, nil
}

// strangersKept is an error where a store has rows of other people than this server's.
func strangersKept(ctx context.Context, values state.Store, was, now peopleMark) error {
	for _, prefix := range peoplePrefixes() {
		some, err := values.List(ctx, prefix, "", 1)
		if err != nil {
			return err
		}
		if len(some) > 0 {
			p := config.Problem{
				Setting: "SIGN_IN_TEAMS", What: fmt.Sprintf("is set for people of %s, and the store has people of %s", now.Host, was.Host),
				Remedy: "use another DATA_DIR, or another EVENTS_TOPIC in Redis and NATS",
			}
			if was.Host == hostOfSandbox {
				p.What = fmt.Sprintf("is set for people of %s, and the store has people of the sandbox, where everybody can be anybody", now.Host)
				p.Remedy += "; or start the server once with --sandbox and without SIGN_IN_TEAMS, which forgets them"
			}
			return &config.Error{Problems: []config.Problem{p}}
		}
	}
	return nil
}

// forgetSandbox drops the sandbox's people of a store, who are of no use to another process.
func forgetSandbox(ctx context.Context, values state.Store) error {
	was, err := markOf(ctx, values)
	if err != nil || was.Host != hostOfSandbox {
		return err
	}
	if _, err := forgetPeople(ctx, values); err != nil {
		return err
	}
	return values.Delete(ctx, peopleMarkKey, "")
}

// forgetPeople deletes all that a store has of people.
func forgetPeople(ctx context.Context, values state.Store) (n int, _ error) {
	for _, prefix := range peoplePrefixes() {
		page, err := values.List(ctx, prefix, "", 0)
		for ; err == nil && len(page) > 0; page, err = values.List(ctx, prefix, "", 0) {
			for _, e := range page {
				if err := values.Delete(ctx, e.Key, ""); err != nil && !errors.Is(err, state.ErrNotFound) {
					return n, err
				}
				n++
			}
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
