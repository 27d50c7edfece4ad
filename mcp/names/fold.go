package names

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// key is what two ways to write one name have in common: composed or decomposed, in small letters or
// capitals.
func key(name string) string {
	if isASCII(name) {
		return strings.ToLower(name)
	}
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(name)))
}

// bare is what names have in common that a reader takes for the same: beside what [key] leaves out also
// accents, and compatibility forms such as full-width letters and ligatures.
func bare(name string) string {
	if isASCII(name) {
		return strings.ToLower(name)
	}
	apart := norm.NFKD.String(cases.Fold().String(norm.NFKC.String(name)))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, apart)
}

// Same reports two ways to write one name: composed or decomposed, in small letters or capitals.
func Same(a, b string) bool { return key(a) == key(b) }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// alike returns the ones of all whose name a reader takes for name: of several those alone in which the
// accents are the same, too, if there are any.
func alike[T any](all []T, name string, names func(T) []string) []T {
	has := func(by func(string) string) func(T) bool {
		want := by(name)
		return func(v T) bool {
			return slices.ContainsFunc(names(v), func(n string) bool { return n != "" && by(n) == want })
		}
	}
	same := slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !has(bare)(v) })
	if len(same) < 2 {
		return same
	}
	compatible := func(s string) string { return key(norm.NFKC.String(s)) }
	if close := slices.DeleteFunc(slices.Clone(same), func(v T) bool { return !has(compatible)(v) }); len(close) > 0 {
		return close
	}
	return same
}

// An AmbiguousChannelError says that several channels have a name like the one that was asked for, and
// none has it.
type AmbiguousChannelError struct{ Channels []Channel }

// Error lists the ids alone.
func (e *AmbiguousChannelError) Error() string {
	return "several channels have a name like that: " + e.List(false)
}

// List is the channels as a caller can tell them apart: "C1 (#café), C2 (#cafè)"; the ids alone without
// named.
func (e *AmbiguousChannelError) List(named bool) string {
	var all []string
	for _, c := range e.Channels {
		if named && plainName.MatchString(c.Name) {
			all = append(all, c.ID+" (#"+c.Name+")")
		} else {
			all = append(all, c.ID)
		}
	}
	return strings.Join(all, ", ")
}

// ChannelLike is [Resolver.ChannelID] for what a reader takes for the same: where no channel has the name,
// it is that of the only one whose name differs in accents or compatibility forms alone. Of several the
// error is an AmbiguousChannelError. Rules are not found so: who may make channels could make one that a
// rule is then taken to mean.
func (r *Resolver) ChannelLike(ctx context.Context, name string) (string, error) {
	id, err := r.ChannelID(ctx, name)
	if !errors.Is(err, ErrNoChannel) {
		return id, err
	}
	var all []Channel
	wanted := bare(strings.TrimPrefix(name, "#"))
	r.channels.each(r.now(), func(_ string, c Channel) bool {
		if c.Name != "" && !c.Archived && bare(c.Name) == wanted {
			all = append(all, c)
		}
		return len(all) < maxNamesakes
	})
	switch all = alike(all, strings.TrimPrefix(name, "#"), func(c Channel) []string { return []string{c.Name} }); len(all) {
	case 0:
		return "", ErrNoChannel
	case 1:
		return all[0].ID, nil
	}
	slices.SortFunc(all, func(a, b Channel) int { return strings.Compare(a.ID, b.ID) })
	return "", &AmbiguousChannelError{Channels: all}
}

// UserLike does for users, by handle, display name and full name, what [Resolver.ChannelLike] does for
// channels.
func (r *Resolver) UserLike(ctx context.Context, ref UserRef) (string, error) {
	id, err := r.UserID(ctx, ref)
	if !errors.Is(err, ErrNoUser) || ref.Name == "" {
		return id, err
	}
	self, err := r.Self(ctx)
	if err != nil {
		return "", unfinished(err)
	}
	var all []User
	r.users.each(r.now(), func(_ string, u User) bool {
		if !u.Deleted && u.of(self) && u.isLike(ref.Name) {
			all = append(all, u)
		}
		return len(all) < maxNamesakes
	})
	return r.only(ctx, alike(all, ref.Name, User.names), func(u *User) bool { return u.isLike(ref.Name) })
}

// IsAmbiguous reports that a name is that of several.
func IsAmbiguous(err error) bool {
	var users *AmbiguousError
	var channels *AmbiguousChannelError
	return errors.As(err, &users) || errors.As(err, &channels)
}
