package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fetchTimeout = 5 * time.Second
	// maxDocument bounds metadata and key sets; they have a few kilobytes.
	maxDocument = 1 << 20
)

// An issuer is the far side: an authorization server's documents.
type issuer struct {
	client  *http.Client
	id      string
	keysURL string
}

func (i *issuer) keys(ctx context.Context) ([]jose.JSONWebKey, error) {
	from := i.keysURL
	if from == "" {
		var err error
		if from, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	body, err := i.get(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	return parseKeys(body)
}

// discover finds the address of the keys in the issuer's metadata: RFC 8414's place
// first, then OpenID's.
func (i *issuer) discover(ctx context.Context) (string, error) {
	u, err := url.Parse(i.id)
	if err != nil {
		return "", err
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	base := u.Scheme + "://" + u.Host
	var errs []error
	for _, place := range []string{
		base + "/.well-known/oauth-authorization-server" + path,
		base + path + "/.well-known/openid-configuration",
	} {
		from, err := i.metadata(ctx, place)
		if err == nil {
			return from, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("find the issuer's keys: %w", errors.Join(errs...))
}

func (i *issuer) metadata(ctx context.Context, place string) (string, error) {
	body, err := i.get(ctx, place)
	if err != nil {
		return "", err
	}
	var m struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", fmt.Errorf("decode %s: %w", place, err)
	}
	if m.Issuer != i.id {
		return "", fmt.Errorf("%s names the issuer %q, not %q", place, m.Issuer, i.id)
	}
	if err := checkURL(m.KeysURL); err != nil {
		return "", fmt.Errorf("%s: jwks_uri: %w", place, err)
	}
	return m.KeysURL, nil
}

func (i *issuer) get(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// Keys that came by way of another host would be that host's word.
	client := *i.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", from, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", from, err)
	}
	if len(body) > maxDocument {
		return nil, fmt.Errorf("%s has more than %d bytes", from, maxDocument)
	}
	return body, nil
}

var errNotURL = errors.New("want an absolute https URL without query or fragment (http only for a loopback host)")

// checkURL accepts what keys may be fetched from.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errNotURL
	}
	if u.Scheme == "https" || (u.Scheme == "http" && loopback(u.Hostname())) {
		return nil
	}
	return errNotURL
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
