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
		name, rest, _ := strings.Cut(entry, ":")
		scopes, bearer, _ := strings.Cut(rest, ":")
		if name == "" || scopes == "" || bearer == "" {
			return nil, fmt.Errorf("write entry %d as name:scope+scope:token", i+1)
		}
		if slices.ContainsFunc(tokens, func(t Token) bool { return t.Name == name }) {
			return nil, fmt.Errorf("give entry %d another name: that of an earlier one was used again", i+1)
		}
		token := Token{Name: name, Secret: NewSecret(bearer)}
		if slices.ContainsFunc(tokens, func(t Token) bool { return t.Secret.Equal(token.Secret) }) {
			return nil, fmt.Errorf("give entry %d a token of its own: an earlier one has the same", i+1)
		}
		for scope := range strings.SplitSeq(scopes, "+") {
			if !slices.Contains(tokenScopes, scope) {
				return nil, fmt.Errorf("write the scopes of entry %d from %s, with + between", i+1, strings.Join(tokenScopes, ", "))
			}
			token.Scopes = append(token.Scopes, scope)
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// parseOrigins reads what browsers send: scheme, host and port.
func parseOrigins(raw string) ([]string, error) {
	origins := splitList(raw)
	for i, origin := range origins {
		if origin == "*" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.TrimRight(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, errors.New("write origins such as https://app.example.com, with commas between, or *")
		}
		origins[i] = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	return origins, nil
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
