package rows

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/store/state"
)

// Info is what people may know of a sign-in.
type Info struct {
	ID         string         `json:"id"`
	Person     access.Person  `json:"person"`
	Name       string         `json:"name"`
	Workspace  string         `json:"workspace"`
	ClientName string         `json:"client_name"`
	Host       string         `json:"host"`
	Scopes     []access.Scope `json:"scopes"`
	Created    time.Time      `json:"created"`
	Used       time.Time      `json:"used"`
	Until      time.Time      `json:"until"`
}

func (s *SignIns) info(id string, r *row) Info {
	return Info{
		ID: id, Person: r.Person, Name: r.Name, Workspace: r.Workspace, ClientName: r.ClientIs, Host: r.Host, Scopes: r.Scopes,
		Created: r.Created, Used: r.Used, Until: r.Until,
	}
}

// Of lists the sign-ins of a person.
func (s *SignIns) Of(ctx context.Context, p access.Person) ([]Info, error) {
	if !p.Valid() {
		return nil, ErrInvalid
	}
	var all []Info
	prefix := Prefix + personHash(p) + "/"
	for after := ""; ; {
		page, next, err := s.page(ctx, prefix, after, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if after = next; after == "" {
			return all, nil
		}
	}
}

// Has reports whether a person may have a sign-in somewhere. A row that does not open here counts: while
// keys are exchanged it may open on another replica, and what Slack gave must not go back for it.
func (s *SignIns) Has(ctx context.Context, p access.Person) (bool, error) {
	if !p.Valid() {
		return false, ErrInvalid
	}
	some, err := s.opt.State.List(ctx, Prefix+personHash(p)+"/", "", 1)
	if err != nil {
		return false, unavailable(err)
	}
	return len(some) > 0, nil
}

// Page lists at most limit sign-ins behind the cursor after ("" at first), in no order that means
// anything, and the cursor of the next page, which is "" at the end.
func (s *SignIns) Page(ctx context.Context, after string, limit int) ([]Info, string, error) {
	return s.page(ctx, Prefix, after, limit)
}

func (s *SignIns) page(ctx context.Context, prefix, after string, limit int) ([]Info, string, error) {
	entries, err := s.rows.List(ctx, prefix, after, limit)
	if err != nil {
		return nil, "", unavailable(err)
	}
	if len(entries) == 0 {
		return nil, "", nil
	}
	list := make([]Info, 0, len(entries))
	for _, e := range entries {
		var r row
		if id := idOf(e.Key); id != "" && json.Unmarshal(e.Value, &r) == nil && r.Until.After(s.opt.Now()) {
			list = append(list, s.info(id, &r))
		}
	}
	return list, entries[len(entries)-1].Key, nil
}

// End ends a sign-in and all that it has opened, and returns what it was. ErrInvalid says that there
// is none.
func (s *SignIns) End(ctx context.Context, id string) (Info, error) {
	r, _, err := s.get(ctx, id)
	if err != nil {
		return Info{}, err
	}
	if err := s.rows.Delete(ctx, keyOf(id), ""); err != nil && !errors.Is(err, state.ErrNotFound) {
		return Info{}, unavailable(err)
	}
	s.forget(id)
	s.cut(ctx, id, access.SignIn{ID: id, Person: r.Person}.Principal())
	return s.info(id, &r), nil
}

// EndOf is End for a person who ends their own: ErrInvalid also where the sign-in is another's.
func (s *SignIns) EndOf(ctx context.Context, p access.Person, id string) (Info, error) {
	r, _, err := s.get(ctx, id)
	if err != nil {
		return Info{}, err
	}
	if r.Person != p {
		return Info{}, ErrInvalid
	}
	return s.End(ctx, id)
}

// EndPerson implements signin.People.
func (s *SignIns) EndPerson(ctx context.Context, p access.Person) (ended int, err error) {
	list, err := s.Of(ctx, p)
	if err != nil {
		return 0, err
	}
	for _, one := range list {
		switch _, err := s.End(ctx, one.ID); {
		case err == nil:
			ended++
		case !errors.Is(err, ErrInvalid):
			return ended, err
		}
	}
	return ended, nil
}

// Recheck asks of each person who has signed in whether they may still be, and ends the sign-ins of
// those who may not. It returns how many it ended, and the last error of those that could not be asked
// for.
func (s *SignIns) Recheck(ctx context.Context, may func(context.Context, access.Person) error) (ended int, err error) {
	for after := ""; ; {
		page, next, failed := s.page(ctx, Prefix, after, 0)
		if failed != nil {
			return ended, failed
		}
		for _, one := range page {
			switch e := s.may(ctx, one.ID, one.Person, may); {
			case errors.As(e, new(*signin.RefusedError)):
				ended++
			case e != nil && !errors.Is(e, ErrInvalid):
				err = e
			}
		}
		if after = next; after == "" {
			return ended, err
		}
	}
}

// Revoke ends what a token is of (RFC 7009): a refresh token its sign-in, an access token itself
// alone. A token that is not known, or another client's, is no error: last is false then. It reports
// the person whose last sign-in has ended.
func (s *SignIns) Revoke(ctx context.Context, token, client string) (p access.Person, last bool, err error) {
	kind, id, secret, ok := parseToken(token)
	if !ok {
		return p, false, nil
	}
	r, _, err := s.get(ctx, id)
	if errors.Is(err, ErrInvalid) || err == nil && r.Client != client {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	if kind == accessKind {
		err = s.change(ctx, id, func(r *row) (bool, error) { return r.drop(secret), nil })
		return p, false, known(err)
	}
	if !is(r.Refresh, secret) && !is(r.Before, secret) {
		return p, false, nil
	}
	if _, err := s.End(ctx, id); err != nil {
		return p, false, known(err)
	}
	more, err := s.Has(ctx, r.Person)
	return r.Person, err == nil && !more, err
}

// known takes it for no error that a sign-in has ended meanwhile.
func known(err error) error {
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	return err
}

// drop takes an access token away, and reports whether there was one.
func (r *row) drop(secret string) bool {
	for i, g := range r.Access {
		if is(g.Hash, secret) {
			r.Access = append(r.Access[:i], r.Access[i+1:]...)
			return true
		}
	}
	return false
}
