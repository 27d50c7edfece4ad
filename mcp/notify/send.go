package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/webhook/signature"
)

// What went wrong with a callback, as clients are told; never in the endpoint's words.
const (
	connectionRefused = "connection_refused"
	timedOut          = "timeout"
	tlsError          = "tls_error"
	status4xx         = "http_4xx"
	status5xx         = "http_5xx"
	challengeFailed   = "challenge_failed"
)

// maxBody bounds what is posted, in bytes: receivers refuse more.
const maxBody = 256 << 10

// post signs a message and sends it.
func (e *Engine) post(ctx context.Context, s *Subscription, id string, body []byte) (egress.Reply, error) {
	now := time.Now()
	secrets := []string{s.Secret}
	if s.OldSecret != "" && now.Before(s.OldUntil) {
		secrets = append(secrets, s.OldSecret)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-MCP-Subscription-Id", s.ID)
	if err := signature.SignStandardID(h, secrets, id, now, body); err != nil {
		return egress.Reply{}, err
	}
	return e.opt.Client.Post(ctx, s.URL, h, body)
}

// reason is why a delivery was not accepted, from a closed list; "" when it was.
func reason(r egress.Reply, err error) string {
	var unknownAuthority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var network net.Error
	switch {
	case err == nil && r.OK():
		return ""
	case err == nil && r.Status >= http.StatusInternalServerError:
		return status5xx
	case err == nil:
		return status4xx
	case errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &invalid),
		errors.As(err, &verification), errors.As(err, &record), errors.As(err, &alert):
		return tlsError
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return timedOut
	}
	return connectionRefused
}

// final reports an answer after which the message is not sent again.
func final(r egress.Reply, err error) bool {
	return err == nil && (r.Status == http.StatusGone || r.Status == http.StatusRequestEntityTooLarge)
}
