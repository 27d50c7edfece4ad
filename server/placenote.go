package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slackmcp/config"
	"slackmcp/webhook/event"
)

// A placeNote is what a process leaves of the place of a store outside, in DATA_DIR, so that the next
// one notices when the database was emptied or restored while no server ran.
type placeNote struct {
	Position event.Position `json:"position"`
	At       time.Time      `json:"at"`
}

// placeFile is where the note of a configuration's store is.
func placeFile(cfg config.Config) string {
	topic := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, cfg.Queue.Topic)
	return filepath.Join(cfg.Queue.DataDir, fmt.Sprintf("position-%s-%s.json", cfg.Queue.Backend, topic))
}

// recall takes in what an earlier process left. What cannot be read is not there.
func (w *watchedStore) recall() {
	var n placeNote
	raw, err := os.ReadFile(w.noteFile)
	if err != nil || len(raw) > 4096 || json.Unmarshal(raw, &n) != nil || n.Position == "" || n.At.IsZero() {
		return
	}
	w.place.known, w.place.began, w.noted = n.Position, n.At, n.Position
}

// remember leaves what is known for the next process, where it is news and there is a directory for
// it. Only look calls it.
func (w *watchedStore) remember() {
	known := w.place.position()
	if known == "" || known == w.noted || w.noteFile == "" {
		return
	}
	raw, err := json.Marshal(placeNote{known, time.Now().UTC()})
	if err == nil {
		err = writeOnce(w.noteFile, string(raw))
	}
	if err != nil {
		// Without a directory nothing is left, and nothing was promised.
		w.log.Debug("the store's position is not noted", slog.String("path", w.noteFile), slog.Any("error", err))
		return
	}
	w.noted = known
}
