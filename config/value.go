package config

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// A binding ties a row of the table to its field in Config.
type binding struct {
	// set parses raw into the field. Its error is the remedy: how to write the value.
	set func(c *Config, raw string) error
	// get returns the field's value.
	get func(c *Config) any
	// choices are the words of an enumerated setting.
	choices []string
	// word is the placeholder of a text's value.
	word string
}

// into makes a binding of a field and a parser.
func into[T any](field func(*Config) *T, parse func(string) (T, error)) binding {
	return binding{
		set: func(c *Config, raw string) error {
			value, err := parse(raw)
			if err != nil {
				return err
			}
			*field(c) = value
			return nil
		},
		get: func(c *Config) any { return *field(c) },
	}
}

func text(field func(*Config) *string, word string) binding {
	b := into(field, parseText)
	b.word = word
	return b
}

func choice[T ~string](field func(*Config) *T, values ...T) binding {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	b := into(field, func(raw string) (T, error) {
		word, err := parseChoice(raw, words)
		return T(word), err
	})
	b.choices = words
	return b
}

func boolean(field func(*Config) *bool) binding { return into(field, parseBool) }

func number(field func(*Config) *int, least, most int) binding {
	return into(field, func(raw string) (int, error) { return parseNumber(raw, least, most) })
}

func duration(field func(*Config) *time.Duration, least, most time.Duration) binding {
	return into(field, func(raw string) (time.Duration, error) { return parseDuration(raw, least, most) })
}

func size(field func(*Config) *int64, least, most int64) binding {
	return into(field, func(raw string) (int64, error) { return parseSize(raw, least, most) })
}

func list(field func(*Config) *[]string) binding {
	return into(field, func(raw string) ([]string, error) { return splitList(raw), nil })
}

func prefixes(field func(*Config) *[]netip.Prefix) binding { return into(field, parsePrefixes) }

func address(field func(*Config) *string, schemes ...string) binding {
	return into(field, func(raw string) (string, error) { return parseURL(raw, schemes) })
}

func level(field func(*Config) *slog.Level) binding {
	b := into(field, parseLevel)
	b.choices = slices.Clone(levelWords)
	return b
}

// secret keeps the text as it is: a space may belong to it.
func secret(field func(*Config) *Secret) binding {
	return into(field, func(raw string) (Secret, error) { return NewSecret(raw), nil })
}

// slackSecret refuses what no secret of Slack contains and a bad paste does.
func slackSecret(field func(*Config) *Secret) binding {
	return into(field, func(raw string) (Secret, error) {
		clean, err := parseUnbroken(raw)
		return NewSecret(clean), err
	})
}

func slackSecrets(field func(*Config) *Secrets) binding {
	return into(field, parseSecrets)
}

func secretURL(field func(*Config) *SecretURL, schemes ...string) binding {
	return into(field, func(raw string) (SecretURL, error) {
		clean, err := parseAddresses(raw, schemes)
		return NewSecretURL(clean), err
	})
}
