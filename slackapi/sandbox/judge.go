package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const maxAnswer = 1 << 20

// An answer is what a receiver said, and what Slack makes of it.
type answer struct {
	attempt   Attempt
	body      []byte
	mediaType string
}

// request delivers an event and judges the answer.
func (s *sender) request(ctx context.Context, to string, body []byte, num int, reason string) answer {
	if s.socket.enabled() {
		return s.socket.request(ctx, s.opt.AnswerWithin, "events_api", body, num, reason)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if num > 0 {
		h.Set("X-Slack-Retry-Num", strconv.Itoa(num))
		h.Set("X-Slack-Retry-Reason", reason)
	}
	a := s.post(ctx, to, body, h)
	a.attempt.RetryNum = num
	return a
}

// post sends a signed body, within the time that Slack gives, over at most two
// redirects.
func (s *sender) post(ctx context.Context, to string, body []byte, h http.Header) answer {
	ctx, cancel := context.WithTimeout(ctx, s.opt.AnswerWithin)
	defer cancel()
	began := time.Now()
	a := answer{attempt: Attempt{At: began}}
	resp, redirects, err := s.follow(ctx, to, body, h)
	if resp != nil {
		defer resp.Body.Close()
		a.attempt.Status = resp.StatusCode
		a.attempt.NoRetry = resp.StatusCode != http.StatusOK && resp.Header.Get("X-Slack-No-Retry") == "1"
		a.mediaType = resp.Header.Get("Content-Type")
		var readErr error
		a.body, readErr = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		err = errors.Join(err, readErr)
	}
	a.attempt.Latency = time.Since(began)
	a.attempt.Reason = verdict(ctx, resp, redirects, err)
	return a
}

// follow posts, and posts again where the answer says that the place has moved.
func (s *sender) follow(ctx context.Context, to string, body []byte, h http.Header) (*http.Response, int, error) {
	for hops := 0; ; hops++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			return nil, hops, err
		}
		req.Header = h.Clone()
		s.sign(req.Header, body)
		resp, err := s.client.Do(req)
		if err != nil || resp.StatusCode != http.StatusMovedPermanently && resp.StatusCode != http.StatusFound {
			return resp, hops, err
		}
		next, err := resp.Location()
		if err != nil || hops == maxRedirects {
			return resp, hops + 1, err
		}
		_ = resp.Body.Close() // nothing of it was wanted
		to = next.String()
	}
}

// sign is Slack's v0 signature, in the sandbox's own lines.
func (s *sender) sign(h http.Header, body []byte) {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.opt.SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	h.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	h.Set("Accept", "*/*")
}

// verdict is Slack's reason for another attempt; empty is none.
func verdict(ctx context.Context, resp *http.Response, redirects int, err error) string {
	switch {
	case err == nil && redirects > maxRedirects:
		return "too_many_redirects"
	case err == nil && resp.StatusCode/100 == 2:
		return ""
	case err == nil:
		return "http_error"
	case ctx.Err() != nil:
		return "http_timeout"
	case insecure(err):
		return "ssl_error"
	case !isURLError(err):
		return "unknown_error"
	}
	return "connection_failed"
}

func insecure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.AlertError](err)
	return ok
}

func isURLError(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok || errors.Is(err, io.ErrUnexpectedEOF)
}
