package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"slackmcp/config"
	"slackmcp/mcp/access"
	"slackmcp/server/audit"
	"slackmcp/signin"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

const (
	// recheckEvery is how often it is asked for everybody whether they may still be signed in. Slack
	// itself is asked at most daily for each person.
	recheckEvery = time.Hour
	// hintsGroup is the consumer group that takes events of Slack for hints about people.
	hintsGroup = "people"
)

// run ends the sign-ins of people who may no longer be signed in, and keeps the others, until ctx is
// done.
func (s *signInSide) run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { s.recheckAll(ctx) })
	if s.events != nil {
		beside.Go(func() { s.heed(ctx) })
	}
	return s.rows.Run(ctx)
}

// recheckAll rechecks at the start, after each change of the settings, and now and then.
func (s *signInSide) recheckAll(ctx context.Context) {
	for ctx.Err() == nil {
		s.recheck(ctx)
		s.tidy(ctx)
		select {
		case <-s.again:
		case <-time.After(recheckEvery + rand.N(recheckEvery/4)): //nolint:gosec // no secret: replicas start together
		case <-ctx.Done():
		}
	}
}

// recheck ends the sign-ins of people who may no longer be signed in.
func (s *signInSide) recheck(ctx context.Context) {
	if _, err := s.rows.Recheck(ctx, s.slack.Check); err != nil && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "not everybody was asked for who has signed in; each is with their next tokens", slog.Any("error", err))
	}
}

// tidy gives back to Slack what people allowed whose sign-ins have all ended.
func (s *signInSide) tidy(ctx context.Context) {
	n, err := s.slack.Tidy(ctx, s.rows.Has)
	if n > 0 {
		s.log.LogAttrs(ctx, slog.LevelInfo, "what people allowed at slack who are not signed in any more was given back", slog.Int("people", n))
	}
	if err != nil && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "not all that people allowed at slack who are not signed in any more was given back; it is tried again", slog.Any("error", err))
	}
}

// allow puts in force who may sign in, and signs out who may not; nil allows nobody anything.
func (s *signInSide) allow(ctx context.Context, c config.SignIn) {
	if s == nil {
		return
	}
	if err := s.slack.Allow(c.Teams, c.Guests); err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "who may sign in has not changed", slog.Any("error", err))
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "who may sign in was reloaded", slog.Any("teams", listed(c.Teams)), slog.Bool("guests", c.Guests))
	select {
	case s.again <- struct{}{}:
	default: // it will be asked
	}
}

// heed takes events of Slack for hints until ctx is done. One replica has each.
func (s *signInSide) heed(ctx context.Context) {
	patterns := event.MustPatterns("tokens_revoked", "app_uninstalled", "user_change")
	keepConsuming(ctx, s.events, queue.Group{
		Name: hintsGroup, Workers: 1, Drain: s.drain, Start: queue.Start{Now: true},
		Filter: event.Filter{Source: event.SourceSlack, Patterns: patterns}, Policy: queue.Policy{MaxAttempts: hintTries},
	}, s.hint, s.log, "hints about people who have signed in are not taken now")
}

// hintTries is how often a hint is tested while Slack cannot be asked. Then the daily check stands in.
const hintTries = 10

// A hint is what an event says of people. It may be late, or of somebody who has signed in again.
type hint struct {
	Team       string `json:"team_id"`
	Enterprise string `json:"enterprise_id"`
	Event      struct {
		Tokens struct {
			People []string `json:"oauth"`
		} `json:"tokens"`
		User struct {
			ID              string `json:"id"`
			Team            string `json:"team_id"`
			Deleted         bool   `json:"deleted"`
			Restricted      bool   `json:"is_restricted"`
			UltraRestricted bool   `json:"is_ultra_restricted"`
		} `json:"user"`
	} `json:"event"`
}

// hint tests the grants of those of whom an event says something: only what Slack then says counts.
func (s *signInSide) hint(ctx context.Context, d queue.Delivery) error {
	if d.Event.Kind.Type == "app_uninstalled" {
		asked := map[access.Person]error{}
		_, err := s.rows.Recheck(ctx, func(ctx context.Context, p access.Person) error {
			err, known := asked[p]
			if !known {
				err = s.slack.Test(ctx, p)
				asked[p] = err
			}
			return err
		})
		return err
	}
	var h hint
	if json.Unmarshal(d.Event.Raw, &h) != nil {
		return nil //nolint:nilerr // it says nothing of anybody
	}
	users, teams := h.Event.Tokens.People, []string{h.Team, ""}
	if u := h.Event.User; u.Deleted || u.Restricted || u.UltraRestricted {
		users, teams = append(users, u.ID), append(teams, u.Team)
	}
	var failed error
	for _, user := range users {
		for _, p := range s.mayBe(user, h.Enterprise, teams) {
			if err := s.slack.Test(ctx, p); err != nil && !errors.As(err, new(*signin.RefusedError)) {
				failed = err
			}
		}
	}
	return failed
}

// mayBe are the people whom an event may mean by a user's id: the app is installed in a workspace, of an
// organization or of none, or in an organization.
func (s *signInSide) mayBe(user, enterprise string, teams []string) (people []access.Person) {
	seen := map[access.Person]bool{}
	for _, team := range teams {
		for _, e := range []string{enterprise, ""} {
			p := access.Person{Host: s.host, Enterprise: e, Team: team, User: user}
			if p.Valid() && !seen[p] {
				seen[p] = true
				people = append(people, p)
			}
		}
	}
	return people
}

// personEnded records that a person was signed out who may no longer be signed in.
func (h *hooks) personEnded(ctx context.Context, p access.Person, reason string, ended int) {
	h.audit.Record(ctx, audit.Record{Event: audit.PersonSignedOut, Outcome: audit.OK, Reason: reason, Principal: p.String(), Count: ended})
	h.log.LogAttrs(ctx, slog.LevelInfo, "a person who may no longer be signed in was signed out",
		slog.String("person", p.String()), slog.String("reason", reason), slog.Int("sign_ins", ended))
}

// sayLost tells of rows that the keys do not open: they are no rows, and their people sign in again.
func (s *signInSide) sayLost(ctx context.Context, lost int) {
	if lost > 0 {
		s.log.LogAttrs(ctx, slog.LevelWarn, "rows of people in the store do not open and count for nothing: their people sign in again",
			slog.Int("rows", lost), slog.String("remedy", "where a key of IDENTITY_KEYS_FILE was lost, put it back behind the first one and restart; else nothing is to be done"))
	}
}
