package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// A runtime plays the Runtime API and the Extensions API of AWS Lambda to one function.
type runtime struct {
	t       *testing.T
	server  *httptest.Server
	events  chan invocation
	n       atomic.Int64
	waiting chan struct{} // one for each time that the function asks for an event
	answers chan functionAnswer
	wantsTo chan struct{} // closed when the function registered to be notified of its end
	gone    chan struct{}
}

type invocation struct {
	payload []byte
	limit   time.Duration
}

// A functionAnswer is what the function posted for an invocation.
type functionAnswer struct {
	id      string
	failure bool
	body    []byte
}

func newRuntime(t *testing.T) *runtime {
	r := &runtime{
		t: t, events: make(chan invocation), waiting: make(chan struct{}, 100), answers: make(chan functionAnswer, 100),
		wantsTo: make(chan struct{}), gone: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "ext-1")
		close(r.wantsTo)
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, q *http.Request) { r.wait(q) })
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", r.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", r.answered)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", r.answered)
	r.server = httptest.NewServer(mux)
	t.Cleanup(func() { close(r.gone); r.server.Close() })
	return r
}

func (r *runtime) wait(q *http.Request) {
	select {
	case <-q.Context().Done():
	case <-r.gone:
	}
}

func (r *runtime) next(w http.ResponseWriter, q *http.Request) {
	r.waiting <- struct{}{}
	select {
	case e := <-r.events:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("invocation-%d", r.n.Add(1)))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(e.limit).UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:events")
		_, _ = w.Write(e.payload)
	case <-q.Context().Done():
	case <-r.gone:
	}
}

func (r *runtime) answered(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Errorf("read the answer: %v", err)
	}
	w.WriteHeader(http.StatusAccepted)
	r.answers <- functionAnswer{q.PathValue("id"), strings.HasSuffix(q.URL.Path, "/error"), body}
}

// functionReply is a Function URL's answer.
type functionReply struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// invoke hands the function one event and returns what it posted.
func (r *runtime) invoke(payload []byte, limit time.Duration) functionAnswer {
	r.t.Helper()
	select {
	case r.events <- invocation{payload, limit}:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the function does not ask for an event")
	}
	select {
	case a := <-r.answers:
		return a
	case <-time.After(30 * time.Second):
		r.t.Fatal("the function does not answer")
	}
	return functionAnswer{}
}

// post is invoke for an event that a Function URL makes of a signed request.
func (r *runtime) post(path string, body []byte, encoded bool) functionReply {
	r.t.Helper()
	at, signature := sign(signingSecret, time.Now(), body)
	a := r.invoke(functionEvent(r.t, path, map[string]string{
		"content-type": "application/json", "x-slack-request-timestamp": at, "x-slack-signature": signature,
	}, body, encoded), 10*time.Second)
	var reply functionReply
	if err := json.Unmarshal(a.body, &reply); err != nil || a.failure {
		r.t.Fatalf("answer %s (failure %v): %v", a.body, a.failure, err)
	}
	return reply
}

func functionEvent(t *testing.T, path string, header map[string]string, body []byte, encoded bool) []byte {
	t.Helper()
	text := string(body)
	if encoded {
		text = base64.StdEncoding.EncodeToString(body)
	}
	payload, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": header,
		"requestContext": map[string]any{
			"domainName": "abc.lambda-url.eu-central-1.on.aws", "stage": "$default", "timeEpoch": time.Now().UnixMilli(),
			"http": map[string]any{"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "Slackbot 1.0"},
		},
		"body": text, "isBase64Encoded": encoded,
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// startFunction runs the binary as the runtime would.
func startFunction(t *testing.T, r *runtime, env ...string) (cmd *exec.Cmd, logs *safeBuffer, done chan struct{}) {
	t.Helper()
	logs, done = &safeBuffer{}, make(chan struct{})
	cmd = exec.Command(binary, "lambda", "--no-env-file", "--log-level", "debug")
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "SLACK_SIGNING_SECRET=" + signingSecret, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(r.server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=events", "AWS_REGION=eu-central-1", "LAMBDA_TASK_ROOT=/var/task",
	}, env...)
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd, logs, done
}

// TestLambda: a function stores what a Function URL brings in a queue that a server
// elsewhere reads. The signature is over the bytes as they were posted, plain or base64.
func TestLambda(t *testing.T) {
	redis := requires.Program(t, "redis-server", "apt-get install redis-server")
	port := freePort(t)
	startEngine(t, "127.0.0.1:"+port, redis, "--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", t.TempDir())
	redisURL := "REDIS_URL=redis://127.0.0.1:" + port + "/0"

	r := newRuntime(t)
	cmd, logs, done := startFunction(t, r, redisURL)
	for _, tc := range []struct {
		name    string
		body    []byte
		encoded bool
	}{
		{"plain", message("EvLAMBDA1", "C1", "grüße &<>\u2028 \\ \" 😀"), false},
		{"base64", message("EvLAMBDA2", "C1", "grüße &<>\u2028 \\ \" 😀"), true},
		{"white space and an unknown field", append([]byte(" {\"new\" : 1.0e+3 ,\t"), message("EvLAMBDA3", "C1", "x")[1:]...), true},
		{"a duplicate", message("EvLAMBDA1", "C1", "grüße &<>\u2028 \\ \" 😀"), false},
	} {
		if reply := r.post("/slack/events", tc.body, tc.encoded); reply.StatusCode != 200 || reply.Body != `{"status":"ok"}` || reply.Headers["Content-Type"] != "application/json" {
			t.Errorf("%s: %+v\n%s", tc.name, reply, logs)
		}
	}
	if reply := r.post("/slack/events", []byte(`{"type":"url_verification","challenge":"abc"}`), true); reply.StatusCode != 200 || reply.Body != `{"challenge":"abc"}` {
		t.Errorf("challenge: %+v", reply)
	}
	if reply := r.post("/nowhere", []byte(`{}`), false); reply.StatusCode != 404 {
		t.Errorf("an unknown path: %+v", reply)
	}
	forged := r.invoke(functionEvent(t, "/slack/events", map[string]string{"content-type": "application/json", "x-slack-request-timestamp": fmt.Sprint(time.Now().Unix()), "x-slack-signature": "v0=" + strings.Repeat("0", 64)}, message("EvFORGED", "C1", "x"), false), 10*time.Second)
	if !strings.Contains(string(forged.body), `"statusCode":401`) {
		t.Errorf("forged: %s", forged.body)
	}
	// Another trigger than a URL is the owner's mistake, and Lambda receives that error.
	if a := r.invoke([]byte(`{"Records":[]}`), time.Second); !a.failure || !strings.Contains(string(a.body), "Function URL") {
		t.Errorf("an event of another kind: %s", a.body)
	}

	p := integrated(t, options{env: []string{redisURL}})
	eventually(t, 10*time.Second, func() error {
		seen := map[string]int{}
		for _, id := range listEventIDs(t, p) {
			seen[id]++
		}
		if len(seen) != 3 || seen["EvLAMBDA1"] != 1 || seen["EvLAMBDA2"] != 1 || seen["EvLAMBDA3"] != 1 {
			return fmt.Errorf("a server on the same queue shows %v, want each of the three once", seen)
		}
		return nil
	})

	select {
	case <-r.wantsTo:
	case <-time.After(10 * time.Second):
		t.Error("the function did not register to be notified of its end")
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("the function did not end after SIGTERM\n%s", logs)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, logs)
	}
	if strings.Contains(logs.String(), signingSecret) || strings.Contains(logs.String(), "grüße") {
		t.Errorf("the log has a secret or a text:\n%s", logs)
	}
}

// TestLambdaIsInTime: when the database hangs, the caller is asked to repeat before the
// function's time is up, and when it is back the function goes on.
func TestLambdaIsInTime(t *testing.T) {
	redis := requires.Program(t, "redis-server", "apt-get install redis-server")
	port := freePort(t)
	database := exec.Command(redis, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := database.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Process.Kill(); _ = database.Wait() })
	eventually(t, 15*time.Second, func() error {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
	r := newRuntime(t)
	_, logs, _ := startFunction(t, r, "REDIS_URL=redis://127.0.0.1:"+port+"/0")
	if reply := r.post("/slack/events", message("EvBEFORE", "C1", "x"), false); reply.StatusCode != 200 {
		t.Fatalf("%+v\n%s", reply, logs)
	}
	_ = database.Process.Signal(syscall.SIGSTOP)
	body := message("EvHUNG", "C1", "x")
	at, signature := sign(signingSecret, time.Now(), body)
	a := r.invoke(functionEvent(t, "/slack/events", map[string]string{"content-type": "application/json", "x-slack-request-timestamp": at, "x-slack-signature": signature}, body, false), time.Second)
	var reply functionReply
	if err := json.Unmarshal(a.body, &reply); err != nil || reply.StatusCode != 503 || reply.Headers["Retry-After"] == "" {
		t.Errorf("while the database hangs: %s, %v", a.body, err)
	}
	_ = database.Process.Signal(syscall.SIGCONT)
	eventually(t, 30*time.Second, func() error {
		if reply := r.post("/slack/events", body, false); reply.StatusCode != 200 {
			return fmt.Errorf("after the database came back: %+v", reply)
		}
		return nil
	})
}
