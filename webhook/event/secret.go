package event

import "strings"

// secretNames are members that let their holder act: credentials, and Slack's short
// lived handles, which need no token (response_url, trigger_id, interactivity_pointer).
// Names are compared in lower case without "_" and "-".
var secretNames = map[string]bool{
	"responseurl":          true,
	"triggerid":            true,
	"interactivitypointer": true,
	"authorization":        true,
	"password":             true,
	"passwd":               true,
	"secret":               true,
	"clientsecret":         true,
	"signingsecret":        true,
	"webhooksecret":        true,
	"apikey":               true,
	"privatekey":           true,
	"bearer":               true,
	"cookie":               true,
	"setcookie":            true,
}

// isSecret reports whether a member of this name is left out of every view. Besides
// secretNames that is whatever ends in "token": token, bot_access_token, refreshToken.
// tokens_revoked's "tokens" are user ids and stay.
func isSecret(name []byte) bool {
	const longest = 64
	if len(name) > longest {
		return false
	}
	var buf [longest]byte
	n := buf[:0]
	for _, c := range name {
		switch {
		case c == '_' || c == '-':
		case 'A' <= c && c <= 'Z':
			n = append(n, c+'a'-'A')
		default:
			n = append(n, c)
		}
	}
	return secretNames[string(n)] || strings.HasSuffix(string(n), "token")
}
