package function

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// RuntimeVariable is what the runtime sets in the environment of a function.
const RuntimeVariable = "AWS_LAMBDA_RUNTIME_API"

// spare is what is left of an invocation's time when its handler is given up, so that
// the answer still arrives.
const spare = 250 * time.Millisecond

// Serve takes invocations until ctx is done, then waits at most drain for those that are
// being served. It is for a process that [RuntimeVariable] tells where the runtime is:
// when the runtime goes away, the process ends with exit code 1.
func Serve(ctx context.Context, h http.Handler, drain time.Duration) error {
	f := &invocations{handler: h}
	// Without an extension of its own a function is killed without a word; with one it
	// is sent SIGTERM, which ends ctx.
	go lambda.StartWithOptions(f.invoke, lambda.WithContext(context.WithoutCancel(ctx)), lambda.WithEnableSIGTERM())
	<-ctx.Done()
	return f.end(drain)
}

// invocations are those that are being served, from their event to their answer's end.
type invocations struct {
	handler http.Handler
	mu      sync.Mutex
	ending  bool
	open    sync.WaitGroup
}

// invoke serves one; the runtime calls it, and closes the answer once it is sent.
func (f *invocations) invoke(ctx context.Context, payload json.RawMessage) (*answer, error) {
	if !f.begin() {
		return refusal("draining").encode(func() {})
	}
	r, err := request(ctx, payload)
	if err == nil {
		var a *answer
		if a, err = f.serve(ctx, r).encode(f.open.Done); err == nil {
			return a, nil
		}
	}
	f.open.Done()
	return nil, err
}

// serve returns the handler's reply, or ours when the time is up.
func (f *invocations) serve(ctx context.Context, r *http.Request) *reply {
	late := make(chan struct{})
	if deadline, ok := ctx.Deadline(); ok {
		timer := time.AfterFunc(time.Until(deadline)-spare, func() { close(late) })
		defer timer.Stop()
	}
	done := make(chan *reply, 1)
	go func() {
		w := &reply{header: http.Header{}}
		f.handler.ServeHTTP(w, r)
		done <- w
	}()
	select {
	case w := <-done:
		return w
	case <-late:
		return refusal("out of time")
	}
}

// refusal is a 503, which senders repeat.
func refusal(why string) *reply {
	w := &reply{status: http.StatusServiceUnavailable, header: http.Header{}}
	w.header.Set("Content-Type", "application/json")
	w.header.Set("Retry-After", "5")
	w.body.WriteString(`{"error":"` + why + `","detail":"send it again"}`)
	return w
}

func (f *invocations) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ending {
		return false
	}
	f.open.Add(1)
	return true
}

// end lets nothing begin any more and waits for what has.
func (f *invocations) end(drain time.Duration) error {
	f.mu.Lock()
	f.ending = true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() { f.open.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(drain):
		return errors.New("an invocation was cut off")
	}
}
