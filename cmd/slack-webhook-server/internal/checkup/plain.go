package checkup

import "strings"

// plain makes text of others harmless to a terminal: on one line, without control and
// format characters, and of bounded length.
func plain(text string) string {
	const most = 2000
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !printable(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
