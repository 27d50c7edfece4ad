package signature_test

import (
	"errors"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"slackmcp/webhook/signature"
)

const secret = "8f742231b10e8888abcd99yyyzzz85a5"

// TestSlackExample verifies the worked example of Slack's own documentation.
func TestSlackExample(t *testing.T) {
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
		"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", "1531420618")
	h.Set("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")
	v := verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}})
	c, err := v.Open(&http.Request{Header: h}, time.Unix(1531420700, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(&c, []byte(body)); err != nil {
		t.Error(err)
	}
}

func verifier(t testing.TB, o signature.Options) *signature.Verifier {
	t.Helper()
	v, err := signature.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// accepted reports whether a request passes both steps now.
func accepted(v *signature.Verifier, h http.Header, body []byte) error {
	return acceptedAt(v, time.Now(), h, body)
}

func acceptedAt(v *signature.Verifier, now time.Time, h http.Header, body []byte) error {
	c, err := v.Open(&http.Request{Header: h}, now)
	if err != nil {
		return err
	}
	_, err = v.Verify(&c, body)
	return err
}

// TestHistory pins the mistakes that slack-go made once and we must never make.
func TestHistory(t *testing.T) {
	body := []byte(`{"type":"event_callback"}`)
	t.Run("an empty secret is refused: anyone could sign with it", func(t *testing.T) {
		for _, secrets := range [][]string{nil, {""}, {" "}, {secret, ""}} {
			if _, err := signature.New(signature.Options{Scheme: signature.SlackV0, Secrets: secrets}); err == nil {
				t.Errorf("New with secrets %q succeeded", secrets)
			}
		}
	})
	t.Run("no error holds the right signature", func(t *testing.T) {
		right, h := http.Header{}, http.Header{}
		signature.SignSlack(right, secret, time.Now(), body)
		signature.SignSlack(h, "wrong", time.Now(), body)
		err := accepted(verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}}), h, body)
		if !errors.Is(err, signature.ErrMismatch) {
			t.Fatalf("got %v, want ErrMismatch", err)
		}
		for _, sum := range []string{right.Get("X-Slack-Signature")[3:], h.Get("X-Slack-Signature")[3:], secret} {
			if strings.Contains(err.Error(), sum) {
				t.Errorf("the error holds %s", sum)
			}
		}
	})
	t.Run("a timestamp at the end of int64 does not wrap round to now", func(t *testing.T) {
		for _, ts := range []string{"9223372036854775807", "9223371974719179007", "9223372036854775000"} {
			h := stamp(ts, body)
			if err := accepted(verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}}), h, body); !errors.Is(err, signature.ErrStale) {
				t.Errorf("timestamp %s: got %v, want ErrStale", ts, err)
			}
		}
	})
	t.Run("a timestamp beyond int64 does not wrap round to now", func(t *testing.T) {
		wrapped := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(time.Now().Unix())).String()
		h := stamp(wrapped, body)
		if err := accepted(verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}}), h, body); !errors.Is(err, signature.ErrMalformed) {
			t.Errorf("timestamp %s: got %v, want ErrMalformed", wrapped, err)
		}
	})
	t.Run("a signature has to be there in full", func(t *testing.T) {
		h := http.Header{}
		signature.SignSlack(h, secret, time.Now(), body)
		v := verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}})
		full := h.Get("X-Slack-Signature")
		for _, cut := range []string{"v0=", full[3:], full[:len(full)-2], full + "00", "v0=" + full} {
			h.Set("X-Slack-Signature", cut)
			if err := accepted(v, h, body); !errors.Is(err, signature.ErrMalformed) {
				t.Errorf("%q: got %v, want ErrMalformed", cut, err)
			}
		}
	})
	t.Run("the signature covers the body alone, so nothing else is taken for signed", func(t *testing.T) {
		// See also TestOddInput in package webhook: a payload in the query is not read.
		h := http.Header{}
		signature.SignSlack(h, secret, time.Now(), body)
		if err := accepted(verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}}), h, append(body, ' ')); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("got %v, want ErrMismatch", err)
		}
	})
}

// stamp signs with a timestamp as it is written.
func stamp(ts string, body []byte) http.Header {
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", ts)
	h.Set("X-Slack-Signature", "v0="+signature.SignHex(secret, append([]byte("v0:"+ts+":"), body...)))
	return h
}

func TestTolerance(t *testing.T) {
	now := time.Unix(1763791200, 500_000_000)
	body := []byte(`{}`)
	tests := []struct {
		name      string
		tolerance time.Duration
		ts        int64
		want      error
	}{
		{"now", 0, 1763791200, nil},
		{"five minutes ago", 0, 1763790901, nil},
		{"more than five minutes ago", 0, 1763790900, signature.ErrStale},
		{"five minutes ahead", 0, 1763791500, nil},
		{"more than five minutes ahead", 0, 1763791501, signature.ErrStale},
		{"a smaller tolerance", time.Minute, 1763791139, signature.ErrStale},
		{"a larger tolerance", time.Hour, 1763788000, nil},
		{"long ago", 0, 1, signature.ErrStale},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, signature.Options{
				Scheme: signature.SlackV0, Secrets: []string{secret}, Tolerance: tt.tolerance,
			})
			if err := acceptedAt(v, now, stamp(strconv.FormatInt(tt.ts, 10), body), body); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// FuzzSlack compares with slack-go's verifier: what we accept it accepts, and what it
// accepts we accept too but for what the scheme's comment says.
func FuzzSlack(f *testing.F) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	f.Add("v0=", now, []byte("{}"), true, "")
	f.Add("v0=", now, []byte("{}"), false, "")
	f.Add("V0=", now, []byte(""), true, "")
	f.Add("v0=", "+"+now, []byte("x"), true, "")
	f.Add("v0=", "00"+now, []byte("x"), true, "")
	f.Add("v0=", "9223372036854775807", []byte("x"), true, "")
	f.Add("v0=", "1e9", []byte("x"), true, "")
	f.Add("", now, []byte("x"), true, "v0=00")
	v := verifier(f, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}})
	f.Fuzz(func(t *testing.T, prefix, ts string, body []byte, upper bool, other string) {
		mac := signature.SignHex(secret, append([]byte("v0:"+ts+":"), body...))
		if upper {
			mac = strings.ToUpper(mac)
		}
		sig := prefix + mac
		if other != "" {
			sig = other
		}
		h := http.Header{"X-Slack-Signature": {sig}, "X-Slack-Request-Timestamp": {ts}}
		ours := accepted(v, h, body) == nil
		theirs := slackGo(h, body) == nil
		digits := ts != "" && strings.Trim(ts, "0123456789") == ""
		if ours != (theirs && digits) {
			t.Errorf("signature %q, timestamp %q, body %q: ours accepts %v, slack-go accepts %v", sig, ts, body, ours, theirs)
		}
	})
}

func slackGo(h http.Header, body []byte) error {
	sv, err := slack.NewSecretsVerifier(h, secret)
	if err != nil {
		return err
	}
	if _, err := sv.Write(body); err != nil {
		return err
	}
	return sv.Ensure()
}

func TestManyRandomRequestsAgreeWithSlackGo(t *testing.T) {
	v := verifier(t, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}})
	body := make([]byte, 0, 2000)
	for i := range 2000 {
		body = append(body, byte(i*31))
		h := http.Header{}
		signature.SignSlack(h, secret, time.Now(), body)
		if err := errors.Join(accepted(v, h, body), slackGo(h, body)); err != nil {
			t.Fatalf("%d bytes: %v", len(body), err)
		}
		if err := accepted(v, h, body[:len(body)-1]); !errors.Is(err, signature.ErrMismatch) {
			t.Fatalf("a byte less: got %v, want ErrMismatch", err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	body := []byte(strings.Repeat("x", 1024))
	h := http.Header{}
	signature.SignSlack(h, secret, time.Now(), body)
	b.Run("ours", func(b *testing.B) {
		v := verifier(b, signature.Options{Scheme: signature.SlackV0, Secrets: []string{secret}, Tolerance: time.Hour})
		b.ReportAllocs()
		for b.Loop() {
			if err := accepted(v, h, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("slack-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := slackGo(h, body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
