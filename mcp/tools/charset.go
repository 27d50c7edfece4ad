package tools

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeText reads a text in UTF-8, in UTF-16 with its mark, or in Windows-1252, which is what other
// texts of one byte a character mostly are. The charset is "" for UTF-8. Of a text that was cut the
// last character may be broken. It reports false for what is no such text.
func decodeText(data []byte, cut bool) (s, charset string, ok bool) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return decodeUTF16(data[2:], binary.LittleEndian), "utf-16le", true
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return decodeUTF16(data[2:], binary.BigEndian), "utf-16be", true
	case bytes.IndexByte(data, 0) >= 0:
		return "", "", false
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if cut {
		data = wholeRunes(data)
	}
	if utf8.Valid(data) {
		return string(data), "", true
	}
	s, ok = decode1252(data)
	return s, "windows-1252", ok
}

// wholeRunes takes the beginning of a broken character from the end.
func wholeRunes(data []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		if rest := data[len(data)-n:]; utf8.RuneStart(rest[0]) {
			if !utf8.FullRune(rest) {
				return data[:len(data)-n]
			}
			break
		}
	}
	return data
}

func decodeUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

// upper1252 are the characters of the bytes 0x80 to 0x9f; five of them have none.
const upper1252 = "€\uFFFD‚ƒ„…†‡ˆ‰Š‹Œ\uFFFDŽ\uFFFD\uFFFD‘’“”•–—˜™š›œ\uFFFDžŸ"

func decode1252(data []byte) (string, bool) {
	upper := []rune(upper1252)
	var b strings.Builder
	b.Grow(len(data) + len(data)/8)
	for _, c := range data {
		r := rune(c)
		if c >= 0x80 && c < 0xa0 {
			r = upper[c-0x80]
		}
		if r == utf8.RuneError || c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), true
}
