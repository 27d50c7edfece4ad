package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// tokenScopes are the permissions that a bearer may have.
var tokenScopes = []string{"read", "events", "write", "admin"}

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
