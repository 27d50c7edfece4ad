package guard

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// rules are the channels that may be written to.
type rules struct {
	allow, deny []string
	byName      bool
	name        func(ctx context.Context, id string) (string, error)
}

var channelID = regexp.MustCompile(`^[CGDU][A-Z0-9]{2,20}$`)

func newRules(o Options) (rules, error) {
	r := rules{name: o.ChannelName}
	for _, list := range []struct {
		from []string
		to   *[]string
	}{{o.Allow, &r.allow}, {o.Deny, &r.deny}} {
		for _, s := range list.from {
			s = strings.TrimSpace(s)
			if s == "" {
				continue
			}
			if !channelID.MatchString(s) {
				s = strings.ToLower(strings.TrimPrefix(s, "#"))
				r.byName = true
			}
			*list.to = append(*list.to, s)
		}
	}
	if r.byName && r.name == nil {
		return r, errors.New("guard: ChannelName is required when Allow or Deny holds a name")
	}
	return r, nil
}

// check refuses a channel that is denied, or not allowed, or of which neither can be
// told: without its name a rule by name cannot be kept.
func (r *rules) check(ctx context.Context, channel string) error {
	if channel == "" || len(r.allow) == 0 && len(r.deny) == 0 {
		return nil
	}
	forms := []string{channel}
	if r.byName {
		name, err := r.name(ctx, channel)
		if err != nil {
			return &RefusedError{Code: "channel_not_checked", Remedy: "The operator allows writing to some channels only, by name, and this channel's name could not be found out. Nothing was sent. Check the channel, or try again later."}
		}
		if name != "" {
			forms = append(forms, strings.ToLower(name))
		}
	}
	in := func(list []string) bool {
		return slices.ContainsFunc(forms, func(f string) bool { return slices.Contains(list, f) })
	}
	if in(r.deny) || len(r.allow) > 0 && !in(r.allow) {
		return &RefusedError{Code: "channel_not_allowed", Remedy: "The operator does not allow writing to this channel. Nothing was sent. Tell the user; another channel may be allowed."}
	}
	return nil
}
