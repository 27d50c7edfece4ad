// Package setup asks a person for what a server needs, and writes it into a .env file.
package setup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Value is a setting as it stands in a .env file.
type Value struct{ Key, Text string }

// Edit returns the content of a .env file with these values: each in the line that has set it, or at the end. Values
// that are empty are taken out. All other lines stay as they are.
func Edit(content string, values []Value) string {
	var lines []string
	for line := range strings.Lines(content) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	for _, v := range values {
		text := v.Key + "=" + v.Text
		at := slices.IndexFunc(lines, func(line string) bool { return sets(line, v.Key) })
		switch {
		case at >= 0 && v.Text != "":
			lines[at] = text
			lines = append(lines[:at+1], slices.DeleteFunc(lines[at+1:], func(line string) bool { return sets(line, v.Key) })...)
		case v.Text != "":
			lines = append(lines, text)
		default:
			lines = slices.DeleteFunc(lines, func(line string) bool { return sets(line, v.Key) })
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// sets reports whether a line sets a key.
func sets(line, key string) bool {
	name, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
	return ok && strings.TrimSpace(name) == key
}

// Write puts a file in its place, whole or not at all, for its owner alone (0600).
func Write(path, content string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".env-*") // CreateTemp's mode is 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.WriteString(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
