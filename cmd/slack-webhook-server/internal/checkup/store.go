package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
)

// store asks the queue backend how it is. Nothing is published, and no store is made.
func (o *Online) store(ctx context.Context) Item {
	q := o.Config.Queue
	switch {
	case q.Backend == config.Memory:
		return Item{"store", OK, "memory: it is inside the server, and there is nothing to ask", ""}
	case q.Backend == config.SQLite && !sqlite.Exists(filepath.Clean(q.DataDir), q.Topic):
		return Item{"store", OK, "sqlite: none yet; the server will make it in " + plain.Text(q.DataDir), ""}
	}
	s, err := server.OpenStore(ctx, o.Config, nil)
	if errors.Is(err, queue.ErrLocked) {
		return o.running(ctx)
	}
	if err != nil {
		return Item{"store", Failed, fmt.Sprintf("%s: %s", q.Backend, plain.Text(err.Error())), remedy(q.Backend)}
	}
	stats, err := s.Stats(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return Item{"store", Failed, fmt.Sprintf("%s: %s", q.Backend, plain.Text(err.Error())), remedy(q.Backend)}
	}
	var waiting, dead int64
	for _, g := range stats.Groups {
		waiting, dead = waiting+g.Waiting, dead+g.Dead
	}
	return Item{"store", OK, counts(stats.Backend, stats.Events, waiting, dead) + "; " + stats.Durability, ""}
}

func remedy(b config.Backend) string {
	switch b {
	case config.Redis:
		return "check REDIS_URL, and that Redis runs and can be reached from here"
	case config.NATS:
		return "check NATS_URL, and that NATS runs and can be reached from here"
	case config.SQLite, config.Memory:
	}
	return "check DATA_DIR, its disk and its permissions"
}

func counts(backend string, events, waiting, dead int64) string {
	return fmt.Sprintf("%s: events %d, waiting %d, dead letters %d", backend, events, waiting, dead)
}

// detailed is what is read of a running server's answer.
type detailed struct {
	Status string `json:"status"`
	Queue  struct {
		Backend string `json:"backend"`
		Events  int64  `json:"events"`
		Groups  []struct {
			Name    string `json:"name"`
			Waiting int64  `json:"waiting"`
			Dead    int64  `json:"dead_letters"`
			Stalled bool   `json:"stalled"`
		} `json:"groups"`
	} `json:"queue"`
}

// running asks the server that owns the store.
func (o *Online) running(ctx context.Context) Item {
	const found = "sqlite: in use by a running server"
	address := server.HealthURL(o.Config)
	if address == "" {
		return Item{"store", Warning, found + ", whose port is not known", "set PORT to the port of the server"}
	}
	d, status, err := health(ctx, address)
	if err != nil {
		return Item{"store", Failed, found + ", which does not answer at " + address + ": " + plain.Text(err.Error()), "check it with the settings of that server, or stop it"}
	}
	item := Item{Name: "store", Status: OK}
	var waiting, dead int64
	for _, g := range d.Queue.Groups {
		waiting, dead = waiting+g.Waiting, dead+g.Dead
		if g.Stalled {
			item.Status, item.Remedy = Warning, "group "+plain.Text(g.Name)+" is stalled: look at the server's log"
		}
	}
	item.Found = found + ", " + plain.Text(d.Status) + "; " + counts(plain.Text(d.Queue.Backend), d.Queue.Events, waiting, dead)
	if status != http.StatusOK || d.Status != "healthy" {
		item.Status, item.Remedy = Failed, "look at the log of the server"
	}
	return item
}

func health(ctx context.Context, address string) (d detailed, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return d, 0, err
	}
	client := server.ProbeClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return d, 0, err
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&d); err != nil {
		return d, response.StatusCode, fmt.Errorf("status %d is no health answer: %w", response.StatusCode, err)
	}
	return d, response.StatusCode, nil
}
