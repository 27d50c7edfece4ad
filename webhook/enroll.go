package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"

	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
)

// maxEnrolled is how long a secret is that a handshake brings, in bytes; minEnrolled is the least.
const (
	maxEnrolled = 256
	minEnrolled = 16
)

// ErrServed says that a source has its secret already.
var ErrServed = errors.New("the source is served already, and its secret is not replaced: take it out of the sources file first")

// Enroll opens the route of a source that is not served yet, until ctx ends, for the one handshake by
// which its provider says the secret, and returns that secret. Further handshakes are answered 404, as is all
// else that is posted there. The secret is not put in force: the caller gives it to the source.
func (rc *Receiver) Enroll(ctx context.Context, name, from string) (secret string, err error) {
	p, err := provider.Find(from)
	switch {
	case err != nil:
		return "", err
	case p.Handshake != provider.Asana && p.Handshake != provider.Notion:
		return "", fmt.Errorf("%s says no secret in a handshake: its secret is %s", p.Title, strings.ReplaceAll(p.Secret, "`", ""))
	case !sourceName.MatchString(name) || strings.Trim(name, ".") == "":
		return "", fmt.Errorf("name %q: use 1 to 64 characters of a-z 0-9 . _ -", name)
	}
	got := make(chan string, 1)
	ep := &endpoint{source: name, greet: enrolling(p.Handshake, got)}
	if err := rc.open(SourcePath+name, ep); err != nil {
		return "", err
	}
	defer rc.shut(SourcePath+name, ep)
	select {
	case secret = <-got:
		return secret, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// open adds a route that there is not.
func (rc *Receiver) open(path string, ep *endpoint) error {
	rc.changing.Lock()
	defer rc.changing.Unlock()
	old := *rc.endpoints.Load()
	if old[path] != nil {
		return ErrServed
	}
	endpoints := maps.Clone(old)
	endpoints[path] = ep
	rc.endpoints.Store(&endpoints)
	return nil
}

// shut takes a route away, unless it is another's now.
func (rc *Receiver) shut(path string, ep *endpoint) {
	rc.changing.Lock()
	defer rc.changing.Unlock()
	endpoints := maps.Clone(*rc.endpoints.Load())
	if endpoints[path] == ep {
		delete(endpoints, path)
	}
	rc.endpoints.Store(&endpoints)
}

// enrolling answers the first handshake that brings a secret.
func enrolling(h provider.Handshake, got chan<- string) greeter {
	var taken atomic.Bool
	return func(v *delivery, w http.ResponseWriter, r *http.Request) (Outcome, string) {
		if r.Method != http.MethodPost {
			return WrongMethod, ""
		}
		secret := r.Header.Get("X-Hook-Secret")
		if h == provider.Notion {
			secret = verificationToken(r)
		}
		if len(secret) < minEnrolled || len(secret) > maxEnrolled || strings.Trim(secret, wordBytes) != "" || taken.Swap(true) {
			return Unregistered, ""
		}
		got <- secret // There is space for one.
		if h == provider.Asana {
			w.Header().Set("X-Hook-Secret", secret)
		}
		v.noContent = true
		return Challenge, ""
	}
}

// verificationToken is what Notion's first request brings; "" when it is another.
func verificationToken(r *http.Request) string {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEcho+1))
	if err != nil || len(body) > maxEcho {
		return ""
	}
	found, err := event.Once(body, "verification_token")
	if err != nil {
		return ""
	}
	return found["verification_token"]
}
