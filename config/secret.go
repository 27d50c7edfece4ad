package config

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"slackmcp/internal/logging"
)

// Redacted is what a secret prints as.
const Redacted = logging.Redacted

// A Secret is a text that prints redacted under every verb, in JSON, YAML and slog.
// The zero value is unset and prints as nothing. It is immutable, safe for concurrent
// use, and compared with Equal.
type Secret struct {
	// A pointer, because fmt does not ask the methods of unexported fields: of a
	// secret that lies in one it prints an address.
	text *string
}

// NewSecret holds text; an empty text is an unset Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text, or "" when the secret is unset.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a text.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal compares two secrets in constant time for texts of one length.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns Redacted, or "" when the secret is unset.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return Redacted
}

// Format writes String under every verb and flag, %d and %#v too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the text out of every slog handler.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText serves encoders of text, YAML and keys of JSON objects.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes String as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Secrets are several texts that are valid at once, as while one replaces another.
type Secrets []Secret

// Reveal returns the texts.
func (s Secrets) Reveal() []string {
	texts := make([]string, len(s))
	for i, one := range s {
		texts[i] = one.Reveal()
	}
	return texts
}

// IsSet reports whether there is at least one.
func (s Secrets) IsSet() bool { return len(s) > 0 }

// String returns Redacted with the number of texts, or "" when there is none.
func (s Secrets) String() string {
	switch len(s) {
	case 0:
		return ""
	case 1:
		return Redacted
	}
	return fmt.Sprintf("%s (%d of them)", Redacted, len(s))
}

// Format writes String under every verb and flag.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the texts out of every slog handler.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText serves encoders of text and YAML.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes String as a JSON string.
func (s Secrets) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// A SecretURL is an address that may hold a password, or several with commas between.
// It prints without user, password and query. The zero value is unset.
type SecretURL struct{ full Secret }

// NewSecretURL holds the address as it was written.
func NewSecretURL(address string) SecretURL { return SecretURL{NewSecret(address)} }

// Reveal returns the address as it was written, or "".
func (u SecretURL) Reveal() string { return u.full.Reveal() }

// IsSet reports whether there is an address.
func (u SecretURL) IsSet() bool { return u.full.IsSet() }

// Equal compares two addresses.
func (u SecretURL) Equal(other SecretURL) bool { return u.full.Equal(other.full) }

// String returns the address with the user, the password and the query taken out, and
// Redacted where it does not parse.
func (u SecretURL) String() string {
	if !u.IsSet() {
		return ""
	}
	var shown []string
	for one := range strings.SplitSeq(u.Reveal(), ",") {
		shown = append(shown, withoutSecrets(strings.TrimSpace(one)))
	}
	return strings.Join(shown, ",")
}

func withoutSecrets(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" && parsed.Path == "" || parsed.Opaque != "" {
		return Redacted
	}
	clean := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	text := clean.String()
	if parsed.User != nil {
		text = strings.Replace(text, "://", "://"+Redacted+"@", 1)
	}
	return text
}

// Format writes String under every verb and flag.
func (u SecretURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue keeps the password out of every slog handler.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText serves encoders of text and YAML.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalJSON writes String as a JSON string.
func (u SecretURL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// scopeAsUser is the permission to read with the user token.
const scopeAsUser = "as-user"

// tokenScopes are the permissions that a bearer may have.
var tokenScopes = []string{"read", "events", "write", "admin", scopeAsUser}

// parseTokens reads name:scope+scope:token, with commas or line breaks between.
func parseTokens(raw string) ([]Token, error) {
	var tokens []Token
	for i, entry := range splitList(raw) {
		token, err := parseToken(entry)
		if err == nil && slices.ContainsFunc(tokens, func(t Token) bool { return t.Name == token.Name || t.Secret.Equal(token.Secret) }) {
			err = errors.New("with a name and a token of its own")
		}
		if err != nil {
			return nil, fmt.Errorf("write entry %d %w", i+1, err)
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

func parseToken(entry string) (Token, error) {
	name, rest, _ := strings.Cut(entry, ":")
	scopes, bearer, _ := strings.Cut(rest, ":")
	if name == "" || scopes == "" || bearer == "" {
		return Token{}, errors.New("as name:scope+scope:token")
	}
	token := Token{Name: name, Secret: NewSecret(bearer), Scopes: strings.Split(scopes, "+")}
	for _, scope := range token.Scopes {
		if !slices.Contains(tokenScopes, scope) {
			return Token{}, fmt.Errorf("with scopes of %s, and a + between", strings.Join(tokenScopes, ", "))
		}
	}
	return token, nil
}

// parseOrigins reads what browsers send: scheme, host and port.
func parseOrigins(raw string) ([]string, error) {
	origins := splitList(raw)
	for i, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.TrimRight(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, errors.New("write origins such as https://app.example.com, with commas between; there is no wildcard")
		}
		origins[i] = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	return origins, nil
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Shown returns the value in force of a setting as it may be shown: secrets redacted,
// times and sizes in the notation of the documents, "" for what is unset and for an
// unknown key.
func (c Config) Shown(key string) string {
	setting, ok := Lookup(key)
	if !ok {
		return ""
	}
	switch v := setting.bind.get(&c).(type) {
	case []string:
		return strings.Join(v, ",")
	case []netip.Prefix:
		texts := make([]string, len(v))
		for i, prefix := range v {
			texts[i] = prefix.String()
		}
		return strings.Join(texts, ",")
	case []Token:
		texts := make([]string, len(v))
		for i, token := range v {
			texts[i] = token.Name + ":" + strings.Join(token.Scopes, "+") + ":" + Redacted
		}
		return strings.Join(texts, ",")
	case time.Duration:
		return FormatDuration(v)
	case int64:
		return FormatSize(v)
	case slog.Level:
		if v == LevelCritical {
			return "critical"
		}
		return strings.ToLower(v.String())
	default:
		return fmt.Sprint(v)
	}
}
