// Package emoji knows the standard emoji by their characters and by Slack's names, which are those
// of github.com/iamcal/emoji-data (Copyright (c) 2013 Cal Henderson, MIT licence).
package emoji

import (
	_ "embed"
	"strings"
	"sync"
)

// table has a line for each emoji, after an empty one: its character without U+FE0F, its names, and
// a star where it has skin tones. The package's test writes it.
//
//go:embed names.txt
var table string

const (
	presentation = '\uFE0F' // follows a character that is to be shown in colours
	firstTone    = '\U0001F3FB'
	lastTone     = '\U0001F3FF'
	// toned stands between a name and the number of its skin tone, 2 to 6.
	toned = "::skin-tone-"
)

// Name returns Slack's name, without colons, of a standard emoji's character, such as "+1" for 👍
// and "+1::skin-tone-4" for 👍🏽. Slack names no emoji of people whose skin tones differ.
func Name(character string) (name string, ok bool) {
	tone := rune(0)
	mixed := false
	base := strings.Map(func(r rune) rune {
		switch {
		case r == presentation:
			return -1
		case r >= firstTone && r <= lastTone:
			mixed = mixed || tone != 0 && tone != r
			tone = r
			return -1
		}
		return r
	}, character)
	if base == "" && tone != 0 && !mixed { // the tone alone is an emoji too
		base, tone = string(tone), 0
	}
	if base == "" || mixed || strings.ContainsAny(base, " \n#*") && len(base) == 1 {
		return "", false
	}
	_, line, found := strings.Cut(table, "\n"+base+" ")
	if !found {
		return "", false
	}
	line, _, _ = strings.Cut(line, "\n")
	name, _, _ = strings.Cut(line, " ")
	if tone == 0 {
		return name, true
	}
	return name + toned + string('2'+tone-firstTone), strings.HasSuffix(line, " *")
}

// Known reports whether a name without colons is that of a standard emoji, perhaps with a skin
// tone that the emoji has.
func Known(name string) bool {
	name, tone, has := strings.Cut(name, toned)
	if name == "" || strings.ContainsAny(name, " \n*") || has && (len(tone) != 1 || tone < "2" || tone > "6") {
		return false
	}
	for rest := table; ; {
		_, after, found := strings.Cut(rest, " "+name)
		if !found {
			return false
		}
		if line, _, _ := strings.Cut(after, "\n"); line == "" || line[0] == ' ' {
			return !has || strings.HasSuffix(line, " *")
		}
		rest = after
	}
}

// Names are the names of all standard emoji, without skin tones.
func Names() []string {
	var all []string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(strings.TrimSuffix(line, " *\n")); len(fields) > 0 {
			all = append(all, fields[1:]...)
		}
	}
	return all
}

// characters has the character of each name.
var characters = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(strings.TrimSuffix(line, " *\n"))
		for _, name := range fields[min(1, len(fields)):] {
			all[name] = fields[0]
		}
	}
	return all
})

// Character returns the character of a standard emoji's name, without colons, with the skin tone that the name has.
func Character(name string) (character string, ok bool) {
	base, tone, has := strings.Cut(name, toned)
	if character, ok = characters()[base]; ok && has {
		if !Known(name) {
			return "", false
		}
		character += string(firstTone + rune(tone[0]-'2'))
	}
	return character, ok
}
