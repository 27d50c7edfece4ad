package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

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
