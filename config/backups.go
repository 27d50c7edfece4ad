package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Backups are the copies that a server makes of its embedded store. The zero value is none.
type Backups struct {
	// Dir is where they are.
	Dir string
	// Every is the time between two of them.
	Every time.Duration
	// Keep is how many are kept.
	Keep int
}

// On reports whether backups are made.
func (b Backups) On() bool { return b.Dir != "" }

// String is the setting as it can be written.
func (b Backups) String() string {
	if !b.On() {
		return ""
	}
	return fmt.Sprintf("%s every %s keep %d", b.Dir, FormatDuration(b.Every), b.Keep)
}

// What backups are where the setting names only a directory, and their bounds.
const (
	backupsEvery = day
	backupsKeep  = 7
	leastBackups = time.Minute
	mostBackups  = 1000
)

// parseBackups reads a directory, which may have spaces in its name, and behind it "every" with a
// time and "keep" with a number.
func parseBackups(raw string) (b Backups, err error) {
	const remedy = "write a directory, and behind it the time between two backups and how many are kept, for example: /var/backups/slack every 24h keep 7"
	b = Backups{Every: backupsEvery, Keep: backupsKeep}
	words := strings.Fields(raw)
	for more := true; more && len(words) >= 3; {
		n := len(words)
		if more, err = b.option(words[n-2], words[n-1]); err != nil {
			return b, fmt.Errorf("%s; %w", remedy, err)
		}
		if more {
			words = words[:n-2]
		}
	}
	if len(words) == 0 || words[0] == "every" || words[0] == "keep" {
		return b, errors.New(remedy)
	}
	b.Dir, err = parseText(filepath.Clean(strings.Join(words, " ")))
	return b, err
}

// option reads a word with its value. It reports whether there is such a word.
func (b *Backups) option(word, value string) (known bool, err error) {
	switch word {
	case "keep":
		if b.Keep, err = strconv.Atoi(value); err != nil || b.Keep < 1 || b.Keep > mostBackups {
			err = fmt.Errorf("keep takes a number from 1 to %d", mostBackups)
		}
	case "every":
		if b.Every, err = parseDuration(value, leastBackups, maxAge); err != nil {
			err = fmt.Errorf("every: %w", err)
		}
	default:
		return false, nil
	}
	return true, err
}
