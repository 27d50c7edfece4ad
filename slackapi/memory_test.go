package slackapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"slackmcp/slackapi"
)

// replies is a transport that answers every request with one body.
type replies string

func (b replies) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(string(b)))}, nil
}

func TestLargeRepliesTakeOneShareOfEachReader(t *testing.T) {
	large := `{"ok":true,"members":[],"filler":"` + strings.Repeat("x", 100_000) + `"}`
	taken, given := 0, 0
	var refuse error
	client := func(body string) *slackapi.Client {
		c, err := slackapi.New(slackapi.Options{BotToken: "xoxb-test", Pace: 1000, Transport: replies(body), OnLarge: func(context.Context) (func(), error) {
			taken++
			return func() { given++ }, refuse
		}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := func(what string, wantTaken, wantGiven int) {
		t.Helper()
		if taken != wantTaken || given != wantGiven {
			t.Errorf("%s: %d shares taken and %d given back, want %d and %d", what, taken, given, wantTaken, wantGiven)
		}
	}
	list := func(ctx context.Context, body string) error {
		_, err := client(body).UserList(ctx, "", 200)
		return err
	}
	ctx, done := slackapi.Reading(t.Context())
	if err := list(ctx, `{"ok":true,"members":[]}`); err != nil {
		t.Fatal(err)
	}
	want("a small reply", 0, 0)
	for range 2 {
		if err := list(ctx, large); err != nil {
			t.Fatal(err)
		}
	}
	inner, innerDone := slackapi.Reading(ctx)
	if err := list(inner, large); err != nil {
		t.Fatal(err)
	}
	innerDone()
	want("three large replies", 1, 0)
	done()
	want("the reader has ended", 1, 1)

	refuse = errors.New("no memory")
	ctx, done = slackapi.Reading(t.Context())
	defer done()
	failed(t, list(ctx, large), slackapi.TooLarge, slackapi.CodeTooManyReads)
	want("a reply that was refused", 2, 1)
	refuse = nil
	failed(t, list(ctx, `{"ok":true,"filler":"`+strings.Repeat("x", 9<<20)+`"}`), slackapi.TooLarge, slackapi.CodeReplyTooLarge)
}
