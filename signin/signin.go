// Package signin is what "Sign in with Slack" consists of: people sign in with their own Slack
// account, and their assistants call as they. The packages below it are the authorization server
// for MCP clients (oauth), the rows that it keeps (rows), how they are sealed (seal), and Slack's side (slack).
//
// This package has only what they share with the side that talks to Slack: [Slack], which sends a
// person's browser to Slack and turns what comes back into an [Account].
package signin

import (
	"context"
	"errors"

	"slackmcp/mcp/access"
)

// CallbackPath is where Slack sends a browser back to, behind the issuer's origin. The whole address
// is the redirect URL of the Slack app, and the redirect_uri of both of Slack's requests.
const CallbackPath = "/oauth/slack/callback"

// ErrUnavailable says that Slack, or the store, cannot be asked now: it says nothing about the
// person, and the same request may succeed later. It is wrapped with its cause, which holds no
// token, code or secret.
var ErrUnavailable = errors.New("signing in is not possible now")

// The reasons of a RefusedError. They are written to logs and metrics, so there is no other.
const (
	// RefusedWorkspace is for people of a workspace or organization that is not on the allow-list.
	RefusedWorkspace = "workspace"
	// RefusedGuest is for guests, where they are not let in.
	RefusedGuest = "guest"
	// RefusedAccount is for bots, deactivated and stranger accounts.
	RefusedAccount = "account"
	// RefusedMismatch is for answers of Slack that do not agree about who signed in.
	RefusedMismatch = "mismatch"
	// RefusedScopes is for a grant that lacks what reading needs.
	RefusedScopes = "scopes"
	// RefusedCode is for a code that Slack does not know, or no longer.
	RefusedCode = "code"
	// RefusedGrant is for people whose grant Slack has ended, or never gave: they sign in again.
	RefusedGrant = "grant"
)

// A RefusedError says that a person may not sign in, or no longer be signed in.
type RefusedError struct {
	// Reason is one of the constants above.
	Reason string
	// Text is a sentence for the person, in plain words, with what to do. It holds no token, code or
	// secret, and nothing about anybody else.
	Text string
}

// Error returns the reason, without the text.
func (r *RefusedError) Error() string { return "signing in is refused: " + r.Reason }

// An Account is who has signed in, as Slack says.
type Account struct {
	Person access.Person
	// Name is the user's name and Workspace that of the team or the organization, for people to
	// read. Both come from Slack as they are: they may hold anything and have to be escaped.
	Name, Workspace string
	// Guest says that the person is a guest of any kind.
	Guest bool
	// Scopes are those of ours (read, write) for which Slack has granted everything that they need.
	// Grants of Slack add up, so it may have more than was asked for this time.
	Scopes []access.Scope
}

// Slack is Slack's side of signing in. Its methods are safe for concurrent use, end with their
// context, and never return or log a code, a token or a secret. Errors are a *RefusedError, or wrap
// ErrUnavailable; any other error counts as ErrUnavailable.
type Slack interface {
	// Start returns the address of Slack's authorize page for a browser, with the scopes of Slack
	// that ours need. The state is opaque, of at most 64 characters of [A-Za-z0-9_-], and comes back
	// in the callback. It stores nothing and asks nobody.
	Start(state string, scopes []access.Scope) (url string, err error)

	// Finish turns the code of a callback into an account, and keeps the grant for the person.
	//
	// It exchanges the code, asks Slack who the token is for (auth.test, users.info), and requires
	// that all answers agree and that the person may sign in. Then it calls used, once, which marks
	// the state as used: until used has returned nil, it has written nothing. If used fails, or what
	// comes before it, a token that was already given is revoked again unless the person had a grant
	// before, and the error is returned (that of used as it is).
	Finish(ctx context.Context, code string, used func(context.Context, Account) error) (Account, error)

	// Check says whether a person may still be signed in: nil, a *RefusedError, or ErrUnavailable. It is
	// asked before the first tokens are given and at each refresh, so it answers from what is known, and asks Slack at most
	// daily for each person. A *RefusedError ends the sign-in that was asked for.
	Check(ctx context.Context, p access.Person) error

	// Release is called when a person's last sign-in has ended: it revokes the grant at Slack (access
	// and refresh token) and forgets it. It may be called when there is no grant, which is no error.
	Release(ctx context.Context, p access.Person) error
}

// People is what Slack's side may ask of the sign-ins. It is safe for concurrent use.
type People interface {
	// EndPerson ends all sign-ins of a person, and everything that they have opened, and returns how
	// many there were. It does not call Slack.Release.
	EndPerson(ctx context.Context, p access.Person) (ended int, err error)
}
