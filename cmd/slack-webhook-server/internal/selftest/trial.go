package selftest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"slackmcp/webhook/signature"
)

// A trial is one kind of request and what should come back.
type trial struct {
	name, want, remedy string
	// slow says that it waits for the server to lose patience.
	slow bool
	// run returns what came back, and an error when it is not what was wanted.
	run func(context.Context) (got string, err error)
}

var (
	// errNotThere says that the server does not serve what the trial is about.
	errNotThere = errors.New("not served there")
	errOther    = errors.New("something else came back")
)

// An attempt is one signed request, changed where the trial wants it otherwise.
type attempt struct {
	method string
	url    string // empty is where Slack posts
	body   []byte
	// signed is what the signature is made over; nil is the body.
	signed []byte
	secret string        // empty is the server's
	off    time.Duration // of the timestamp
	// chunked sends the body without its length.
	chunked bool
	change  func(http.Header)
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte // at most 64 KiB
}

func (a answer) String() string {
	body := strings.TrimSpace(string(a.body))
	const most = 80
	if len(body) > most {
		body = body[:most] + "..."
	}
	return strings.TrimSpace(fmt.Sprint(a.status, " ", body))
}

// send makes the request. A server that answers before it has read everything may close
// the connection under the rest of the body, so that the answer is lost on the way: the
// request is then made again.
func (t *Tester) send(ctx context.Context, a attempt) (answer, error) {
	for try := 1; ; try++ {
		got, err := t.sendOnce(ctx, a)
		if err == nil || try == 3 || ctx.Err() != nil {
			return got, err
		}
	}
}

func (t *Tester) sendOnce(ctx context.Context, a attempt) (answer, error) {
	if a.method == "" {
		a.method = http.MethodPost
	}
	if a.url == "" {
		a.url = t.events.String()
	}
	var body io.Reader = bytes.NewReader(a.body)
	if a.chunked {
		body = io.MultiReader(body) // net/http cannot tell its length
	}
	req, err := http.NewRequestWithContext(ctx, a.method, a.url, body)
	if err != nil {
		return answer{}, err
	}
	t.dress(req.Header, a)
	res, err := t.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }() // what matters was read
	got, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return answer{res.StatusCode, res.Header, got}, err
}

// dress sets the headers as Slack does, and then as the trial wants them.
func (t *Tester) dress(h http.Header, a attempt) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "slack-webhook-server selftest")
	signed, secret := a.body, t.o.Secret
	if a.signed != nil {
		signed = a.signed
	}
	if a.secret != "" {
		secret = a.secret
	}
	signature.SignSlack(h, secret, time.Now().Add(a.off), signed)
	if a.change != nil {
		a.change(h)
	}
}

// status wants one of the statuses.
func (t *Tester) status(a attempt, statuses ...int) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := t.send(ctx, a)
		if err != nil {
			return "", err
		}
		if slices.Contains(statuses, got.status) {
			return got.String(), nil
		}
		return got.String(), errOther
	}
}

// challenge is a body that the server answers and does not store, and the word that
// must come back.
func challenge() (body []byte, word string) {
	word = rand.Text()
	body, _ = json.Marshal(map[string]string{"type": "url_verification", "challenge": word}) // strings always encode
	return body, word
}

// greets wants the word of a challenge to come back.
func (t *Tester) greets(change func(*attempt)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		body, word := challenge()
		a := attempt{body: body}
		if change != nil {
			change(&a)
		}
		got, err := t.send(ctx, a)
		if err != nil {
			return "", err
		}
		if got.status != http.StatusOK || !bytes.Contains(got.body, []byte(word)) {
			return got.String(), errOther
		}
		return "200 and the challenge", nil
	}
}

// padded is a signed object of n bytes.
func padded(n int64) []byte {
	const frame = `{"type":"url_verification","challenge":"x","pad":""}`
	return []byte(frame[:len(frame)-2] + strings.Repeat("x", max(int(n)-len(frame), 0)) + `"}`)
}
