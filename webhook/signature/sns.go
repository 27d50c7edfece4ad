package signature

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Version 1 of the sender's signatures is made with it.
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"slackmcp/webhook/event"
)

// SNS is how Amazon SNS signs: members of the body, by a key whose certificate lies at an address
// that the body names, which must be one of Amazon's own
// (docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html). Everybody can have a
// topic whose messages are signed so; therefore what stands in place of the secret is the topic's
// ARN, which is signed too.
var SNS Scheme = sns{}

type sns struct{}

func (sns) Name() string { return "sns" }

func (sns) Headers() []string { return []string{"X-Amz-Sns-Message-Type"} }

func (sns) elsewhere() []place {
	var list []place
	for _, name := range []string{"TopicArn", "Signature", "SigningCertURL"} {
		path, _ := event.ParsePath(name) // A name is a path.
		list = append(list, place{member: name, path: path})
	}
	return list
}

func (sns) Timed() bool { return true }

func (sns) Claim(r *http.Request) (Claim, error) {
	if _, err := single(r.Header, "X-Amz-Sns-Message-Type"); err != nil {
		return Claim{}, err
	}
	return Claim{}, nil
}

var topicARN = regexp.MustCompile(`^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+$`)

func (sns) Key(arn string) (Key, error) {
	if arn = strings.TrimSpace(arn); !topicARN.MatchString(arn) {
		return nil, errors.New("want the ARN of the topic, such as arn:aws:sns:eu-central-1:123456789012:orders")
	}
	region := strings.Split(arn, ":")[3]
	return &snsKey{topic: arn, host: "sns." + region + ".amazonaws.com", certs: map[string]*rsa.PublicKey{}}, nil
}

// SNSHost reports whether a host is one of those from which Amazon SNS serves certificates and
// confirmations.
func SNSHost(host string) bool { return snsHost.MatchString(host) }

var (
	snsHost = regexp.MustCompile(`^sns\.[a-z0-9-]{3,32}\.amazonaws\.com(\.cn)?$`)
	snsPath = regexp.MustCompile(`^/SimpleNotificationService-[a-zA-Z0-9]{1,64}\.pem$`)
)

// snsMembers are the members that are signed, in the order in which they are, by the message's type.
var snsMembers = map[string][]string{
	"Notification":             {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	"SubscriptionConfirmation": {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	"UnsubscribeConfirmation":  {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

// snsKey checks messages of one topic. It keeps the certificates that it has fetched.
type snsKey struct {
	topic, host string

	mu    sync.Mutex
	certs map[string]*rsa.PublicKey
	asked time.Time
}

// Bounds of fetching certificates, which a forged message may ask for, too.
const (
	maxCerts   = 8
	certsEvery = time.Second
)

func (k *snsKey) check(c *Claim, body []byte) error {
	m, err := snsMessage(body)
	if err != nil {
		return err
	}
	if m["TopicArn"] != k.topic {
		return ErrMismatch
	}
	signature, err := decode64(m["Signature"])
	if err != nil || len(signature) == 0 {
		return ErrMalformed
	}
	public, err := k.certificate(c, m["SigningCertURL"])
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, name := range snsMembers[m["Type"]] {
		if v, ok := m[name]; ok {
			text.WriteString(name + "\n" + v + "\n")
		}
	}
	switch m["SignatureVersion"] {
	case "1":
		sum := sha1.Sum([]byte(text.String())) //nolint:gosec // as above
		err = rsa.VerifyPKCS1v15(public, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256([]byte(text.String()))
		err = rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature)
	default:
		return ErrMalformed
	}
	if err != nil {
		return ErrMismatch
	}
	at, err := time.Parse(time.RFC3339, m["Timestamp"])
	if err != nil {
		return ErrMalformed
	}
	c.At, c.ID = at.Unix(), m["MessageId"]
	return nil
}

// snsMessage reads the members of a message, each of which may stand once.
func snsMessage(body []byte) (map[string]string, error) {
	m, err := event.Once(body, "Type", "TopicArn", "Signature", "SignatureVersion", "SigningCertURL",
		"Message", "MessageId", "Subject", "Timestamp", "SubscribeURL", "Token")
	if err != nil || snsMembers[m["Type"]] == nil {
		return nil, ErrMalformed
	}
	return m, nil
}

// certificate returns the public key at an address, which must be Amazon's of the topic's region.
func (k *snsKey) certificate(c *Claim, from string) (*rsa.PublicKey, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "https" || strings.TrimSuffix(u.Host, ".cn") != k.host || !SNSHost(u.Host) ||
		!snsPath.MatchString(u.Path) || u.RawQuery != "" || u.User != nil {
		return nil, ErrMismatch
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if public := k.certs[from]; public != nil {
		return public, nil
	}
	if time.Since(k.asked) < certsEvery {
		return nil, ErrUnavailable
	}
	k.asked = time.Now()
	content, err := c.v.fetch(c.request.Context(), from)
	if err != nil {
		return nil, ErrUnavailable
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, ErrUnavailable
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, ErrUnavailable
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || c.opened.After(cert.NotAfter) || c.opened.Before(cert.NotBefore) {
		return nil, ErrMismatch
	}
	if len(k.certs) >= maxCerts {
		clear(k.certs)
	}
	k.certs[from] = public
	return public, nil
}

// SNSConfirmation returns the address by which a verified message asks to confirm a
// subscription, or "" when it asks for nothing.
func SNSConfirmation(body []byte) string {
	var m struct{ Type, SubscribeURL string }
	if json.Unmarshal(body, &m) != nil || m.Type != "SubscriptionConfirmation" {
		return ""
	}
	u, err := url.Parse(m.SubscribeURL)
	if err != nil || u.Scheme != "https" || !SNSHost(u.Host) {
		return ""
	}
	return u.String()
}
