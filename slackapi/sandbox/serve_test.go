package sandbox_test

import (
	"context"
	"net"
	"testing"

	"slackmcp/slackapi/sandbox"
)

func TestServe(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb, err := sandbox.New(sandbox.Options{Empty: true})
	ok(t, err)
	if sb.APIURL() != "" {
		t.Errorf("API URL %q before anybody knows it", sb.APIURL())
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	ok(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sb.Serve(ctx, ln) }()
	base := "http://" + ln.Addr().String()
	if got := call(t, base, "auth.test", sandbox.DefaultBotToken, ""); got.str("user_id") != sandbox.BotUser {
		t.Errorf("auth.test %v", got)
	}
	if sb.APIURL() != base+"/api/" {
		t.Errorf("API URL %q", sb.APIURL())
	}
	ok(t, sb.SetRequestURL(t.Context(), rc.URL))
	post(t, sb, "delivered while it is served")
	settle(t, sb)
	if len(rc.all()) != 1 {
		t.Errorf("%d deliveries", len(rc.all()))
	}
	stop()
	ok(t, <-done)

	ln, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	ok(t, err)
	ok(t, ln.Close())
	if err := sb.Serve(t.Context(), ln); err == nil {
		t.Error("Serve on a closed listener succeeded")
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]sandbox.Options{
		"Speed":         {Speed: -1},
		"BaseURL":       {BaseURL: "localhost:4000"},
		"ExtraChannels": {ExtraChannels: 2_000_000},
		"RedirectURLs":  {RedirectURLs: []string{"javascript:alert(1)"}},
		"such as https": {RedirectURLs: []string{"http://app.example/callback"}},
	} {
		if _, err := sandbox.New(opt); err == nil || !contains(err.Error(), name) {
			t.Errorf("New with a wrong %s: %v", name, err)
		}
	}
	sb, err := sandbox.New(sandbox.Options{})
	ok(t, err)
	for _, f := range []sandbox.Fault{{}, {Error: "x", Drop: true}, {Status: 99}, {RetryAfter: -1}, {Drop: true, Times: -2}} {
		if sb.Inject(f) == nil {
			t.Errorf("fault %+v was taken", f)
		}
	}
}
