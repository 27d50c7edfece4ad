package remote_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/internal/remote"
)

func TestWaitGrowsToItsBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := remote.NewOutage(slog.New(slog.NewTextHandler(&out, nil)), "tail")
		var waits []time.Duration
		for range 20 {
			began := time.Now()
			if !o.Wait(t.Context(), errors.New("refused")) {
				t.Fatal("Wait = false without an end of the context")
			}
			waits = append(waits, time.Since(began))
		}
		if waits[0] > 25*time.Millisecond {
			t.Errorf("first wait = %v, want at most 25ms", waits[0])
		}
		for i, w := range waits {
			if w > 2*time.Second || i > 7 && w < time.Second {
				t.Errorf("wait %d = %v, want it to reach 1s to 2s and stay there", i, w)
			}
		}
		o.Over(t.Context())
		o.Over(t.Context())
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%d log lines, want one for going away and one for coming back:\n%s", n, out.String())
		}
		if !strings.Contains(out.String(), "refused") || !strings.Contains(out.String(), "tries=20") {
			t.Errorf("log = %s, want the error and the number of tries", out.String())
		}
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if remote.NewOutage(slog.New(slog.DiscardHandler), "x").Wait(ctx, errors.New("refused")) {
		t.Error("Wait = true although the context had ended")
	}
}
