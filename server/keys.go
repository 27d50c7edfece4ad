package server

import (
	"context"
	"errors"
	"fmt"

	"slackmcp/config"
	"slackmcp/server/operate"
	"slackmcp/signin/seal"
	"slackmcp/store/state"
)

// routeKeys names the keys of a running server, as they follow from the keys and do not tell them.
const routeKeys = "people/keys"

// A Rotation says what became of the rows that are kept of people.
type Rotation struct {
	// Key is the id of the key that all of them are sealed with now, and Old are those of the other
	// keys of the file, which no row needs any more; none where the store has no row.
	Key string   `json:"key"`
	Old []string `json:"old"`
	// Sealed rows were sealed anew, Fresh ones had the key already. Lost ones open under no key of the
	// file, and count for nothing.
	Sealed int `json:"sealed"`
	Fresh  int `json:"fresh"`
	Lost   int `json:"lost"`
}

// maxPasses bounds how often all rows are gone through while a server seals new ones with an old key.
const maxPasses = 5

// RotateKeys seals all rows that are kept of people with the newest key of IDENTITY_KEYS_FILE, in what
// [OpenOperator] opened. Servers may run meanwhile. It may be interrupted and called again, and calls
// progress with how many rows it has seen.
func RotateKeys(ctx context.Context, store any, cfg config.Config, progress func(seen int)) (r Rotation, err error) {
	if cfg.SignIn.KeysFile == "" {
		return r, &config.Error{Problems: []config.Problem{{
			Setting: "IDENTITY_KEYS_FILE", What: "is missing", Remedy: "name the file of keys of the server, with the new key as its first line",
		}}}
	}
	keys, err := identityKeys(cfg)
	if err != nil {
		return r, err
	}
	values, err := valuesOf(ctx, store, keys)
	if err != nil {
		return r, err
	}
	sealed, err := seal.NewRows(values, keys)
	if err != nil {
		return r, err
	}
	r.Key, r.Old = keys.IDs()[0], []string{}
	for range maxPasses {
		pass, err := resealAll(ctx, sealed, progress)
		r.Sealed, r.Fresh, r.Lost = r.Sealed+pass.Done, pass.Fresh, pass.Lost
		switch {
		case err != nil:
			return r, fmt.Errorf("%d rows are sealed anew; run it again to go on: %w", r.Sealed, err)
		case pass.Lost > 0 && pass.Done+pass.Fresh == 0:
			return r, fmt.Errorf("none of the %d rows opens under a key of this file: is it the server's?", pass.Lost)
		case pass.Fresh == 0 && pass.Done == 0:
			return r, nil // nothing is kept, and nothing is said about keys
		case pass.Done == 0:
			r.Fresh -= min(r.Sealed, r.Fresh) // some have gone meanwhile
			r.Old = keys.IDs()[1:]
			return r, nil
		}
	}
	return r, errors.New("rows are written with an older key all the time: a server still has another first line in its file of keys; restart it, and run this again")
}

// valuesOf are the small values of an opened store. A running server has to seal with the same key, or
// it would go on with the older one.
func valuesOf(ctx context.Context, store any, keys *seal.Keyring) (state.Store, error) {
	client, running := store.(*operate.Client)
	if !running {
		s, ok := store.(interface{ State() state.Store })
		if !ok {
			return nil, ErrNoStore
		}
		return s.State(), nil
	}
	ids, err := operate.Ask[[]string](ctx, client, routeKeys, struct{}{})
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 && ids[0] != keys.IDs()[0] {
		return nil, fmt.Errorf("the running server seals with the key %s, and the first one of this file is %s: restart the server with this file, then run this again", ids[0], keys.IDs()[0])
	}
	return operate.NewState(client), nil
}

// resealAll goes through all rows once.
func resealAll(ctx context.Context, sealed *seal.Rows, progress func(seen int)) (sum seal.Resealed, err error) {
	for _, prefix := range peoplePrefixes() {
		add := func(r seal.Resealed) seal.Resealed {
			return seal.Resealed{Fresh: sum.Fresh + r.Fresh, Done: sum.Done + r.Done, Lost: sum.Lost + r.Lost}
		}
		one, err := sealed.Reseal(ctx, prefix, func(r seal.Resealed) { progress(add(r).Total()) })
		if sum = add(one); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// serveKeys says which keys this server has.
func serveKeys(socket *operate.Server, people *signInSide) {
	socket.Handle(routeKeys, operate.Call(func(context.Context, struct{}) ([]string, error) {
		if people == nil {
			return nil, nil // it seals nothing
		}
		return people.keys, nil
	}))
}
