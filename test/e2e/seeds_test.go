package e2e_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"slackmcp/internal/requires"
)

// The examples of the documents that this product implements, as they stand there, but
// for the address.
var seedExamples = []struct {
	name, script, want string
	shown              string // the event's type in the list
}{
	{
		"a Slack event", `
body='{"token":"verification_token","team_id":"T1234567890","api_app_id":"A1234567890","event":{"type":"message","channel":"C1234567890","user":"U1234567890","text":"Hello, world!","ts":"1234567890.123456"},"type":"event_callback","event_id":"Ev1234567890","event_time":1234567890}'
timestamp=$(date +%s)
signature=v0=$(printf 'v0:%s:%s' "$timestamp" "$body" | openssl dgst -sha256 -hmac "$SLACK_SIGNING_SECRET" | awk '{print $2}')
curl -sS -X POST $URL/slack/events \
-H "x-slack-signature: $signature" \
-H "x-slack-request-timestamp: $timestamp" \
-H "content-type: application/json" \
-d "$body"`,
		`{"status":"ok"}`, "message",
	},
	{
		"contact_created", `
payload='{"email": "ada@example.com", "name": "Ada"}'
signature=$(echo -n $payload | openssl dgst -sha256 -hmac "$CONTACT_WEBHOOK_SECRET" | awk '{print $2}')
curl -sS -X POST $URL/events/contact_created -H "X-Signature: $signature" -d "$payload"`,
		`{"status":"queued"}`, "contact_created",
	},
	{
		"payment_succeeded", `
payload='amount=42&invoice_id=in_1'
signature=$(echo -n $payload | openssl dgst -sha256 -hmac "$STRIPE_WEBHOOK_SECRET" | awk '{print $2}')
curl -sS -X POST $URL/events/payment_succeeded -H "X-Signature: $signature" -d "$payload"`,
		`{"status":"queued"}`, "payment_succeeded",
	},
	{
		"a delivery receipt", `
secret="mySecret"
payload='{"id": "msg123", "status": "delivered", "deliveredAt": "2024-11-30T12:00:00Z"}'
signature=$(echo -n $payload | openssl dgst -sha256 -hmac $secret | awk '{print $2}')
curl -sS -X POST $URL/webhooks \
-H "Authorization: Bearer $signature" \
-H "Content-Type: application/json" \
-d "$payload"`,
		`{"message":"Webhook processed successfully."}`, "",
	},
	{
		"an endpoint that was not registered",
		`curl -sS -X POST $URL/events/unheard_of -H "X-Signature: 00" -d '{}'`,
		`{"error":"unregistered endpoint"}`, "",
	},
	{
		"a wrong signature",
		`curl -sS -X POST $URL/events/contact_created -H "X-Signature: 00" -d '{}'`,
		`{"error":"invalid signature"}`, "",
	},
}

// TestTheSeedsExamples runs each example in a shell against the shipped binary.
func TestTheSeedsExamples(t *testing.T) {
	for _, program := range []string{"bash", "curl", "openssl", "awk"} {
		requires.Program(t, program, "apt-get install curl openssl")
	}
	secrets := []string{"SLACK_SIGNING_SECRET=" + signingSecret, "CONTACT_WEBHOOK_SECRET=contact-secret", "STRIPE_WEBHOOK_SECRET=stripe-secret", "WEBHOOK_SECRET=mySecret"}
	p := integrated(t, options{env: secrets})
	s := connect(t, p)
	for _, tc := range seedExamples {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "bash", "-c", tc.script)
			cmd.Env = append(append(cmd.Environ(), secrets...), "URL="+p.url)
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != tc.want {
				t.Errorf("answer %s, %v; want %s", out, err, tc.want)
			}
			if tc.shown == "" {
				return
			}
			var page eventPage
			s.tool("slack_list_events", map[string]any{"type": tc.shown}, &page)
			if len(page.Events) != 1 {
				t.Errorf("%d events of type %s are listed, want 1", len(page.Events), tc.shown)
			}
		})
	}
	if !strings.Contains(p.logs.String(), "msg123") {
		t.Error("the receipt was not printed")
	}
}

// TestWhatBecameOfAMessage posts the receipts of one message as its sender does: queued,
// delivered, then failed are three events, and a copy is none. An assistant reads the
// last status by the tool and by the resource.
func TestWhatBecameOfAMessage(t *testing.T) {
	p := integrated(t, options{env: []string{"WEBHOOK_SECRET=mySecret"}, args: []string{"--toolsets", "all"}})
	s := connect(t, p)
	for _, body := range []string{
		`{"id": "msg123", "status": "queued"}`,
		`{"id": "msg123", "status": "delivered", "deliveredAt": "2024-12-01T12:00:00Z"}`,
		`{"id": "msg123", "status": "delivered", "deliveredAt": "2024-12-01T12:00:00Z"}`,
		`{"id": "msg123", "status": "failed"}`,
		`{"id": "msg124", "status": "queued"}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/webhooks", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+hexHMAC("mySecret", []byte(body)))
		if status, answer := p.do(req); status != http.StatusOK {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
	}
	var page eventPage
	s.tool("slack_list_events", map[string]any{"source": "receipts"}, &page)
	if len(page.Events) != 4 {
		t.Errorf("%d events, want four: the copy is none", len(page.Events))
	}
	var got struct {
		Status   string
		Receipts []struct{ Status string }
	}
	s.tool("webhook_message_status", map[string]any{"message_id": "msg123"}, &got)
	if got.Status != "failed" || len(got.Receipts) != 3 {
		t.Errorf("status %+v, want failed by three receipts", got)
	}
	if text := s.read("webhook://receipts/messages/msg124"); !strings.Contains(text, `"status":"queued"`) {
		t.Errorf("the resource reads %s", text)
	}
	if n := strings.Count(p.logs.String(), "Processed webhook payload"); n != 4 {
		t.Errorf("%d receipts were printed, want 4", n)
	}
}

// TestReceiptsAreNotPrinted: who does not want them on standard output says so.
func TestReceiptsAreNotPrinted(t *testing.T) {
	p := integrated(t, options{env: []string{"WEBHOOK_SECRET=mySecret", "PRINT_RECEIPTS=false"}})
	body := `{"id": "msg125", "status": "queued"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/webhooks", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hexHMAC("mySecret", []byte(body)))
	if status, answer := p.do(req); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if strings.Contains(p.logs.String(), "Processed webhook payload") {
		t.Error("the receipt was printed")
	}
}
