package slackapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"slackmcp/slackapi"
)

// TestWhatTimeSlackSays takes the time of answers over TLS, and of no others.
func TestWhatTimeSlackSays(t *testing.T) {
	t.Parallel()
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", then.Format(http.TimeFormat))
		_, _ = w.Write([]byte(`{"ok":true}`)) // the test fails without it
	})
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		s := start(answer)
		defer s.Close()
		var said []time.Time
		c, err := slackapi.New(slackapi.Options{
			BotToken: "xoxb-sandbox-1", URL: s.URL + "/", Transport: s.Client().Transport,
			OnTime: func(now time.Time) { said = append(said, now) },
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.AuthTest(t.Context()) // what it answers is not the question
		if name == "http" && len(said) != 0 || name == "https" && (len(said) != 1 || !said[0].Equal(then)) {
			t.Errorf("over %s the times are %v", name, said)
		}
	}
}
