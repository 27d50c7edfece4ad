package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"slackmcp/store/memory"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
	"slackmcp/webhook/worker"
)

// Example receives one event of Slack and works it with a handler in Go.
func Example() {
	store, err := memory.New(memory.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, err := webhook.New(webhook.Options{Publisher: store, SlackSecrets: []string{"signing secret"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Slack posts to the address that the receiver is served at.
	body := `{"type":"event_callback","event_id":"Ev1","event":{"type":"message","channel":"C1","channel_type":"channel","text":"hello"}}`
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, webhook.SlackPath, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	signature.SignSlack(req.Header, "signing secret", time.Now(), []byte(body))
	answer := httptest.NewRecorder()
	receiver.ServeHTTP(answer, req)
	fmt.Println(answer.Code, answer.Body)

	ctx, cancel := context.WithCancel(context.Background())
	mux := worker.New(worker.Options{})
	err = mux.On("message.channels", func(_ context.Context, e *event.Event) error {
		defer cancel()
		message, err := event.Inner[struct{ Text string }](e)
		if err != nil {
			return err
		}
		fmt.Println(e.ID, "in", e.Channel, "says", message.Text)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := mux.Run(ctx, store); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 200 {"status":"ok"}
	// Ev1 in C1 says hello
}
