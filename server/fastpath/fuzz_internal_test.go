package fastpath

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// FuzzPlain holds the parser to net/http's: what it takes for a plain request net/http
// reads as the same request, of the same length.
func FuzzPlain(f *testing.F) {
	const simple = "POST /in HTTP/1.1\r\nHost: example.org:3000\r\nContent-Length: 5\r\n"
	for _, seed := range []string{
		simple + "\r\nhello",
		simple + "User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept-Encoding: gzip,deflate\r\nx-slack-signature: v0=00\r\n\r\nhello",
		simple + "X-A: 1\r\nx-a: 2\r\nConnection: keep-alive\r\n\r\nhelloPOST /in HTTP/1.1\r\n",
		simple + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		simple + "Content-Length: 6\r\n\r\nhello!",
		simple + "X-A: 1\r\n 2\r\n\r\nhello",
		simple + "X-A: 1\n\r\n\r\nhello",
		"POST /in HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0005\r\n\r\nhello",
		"GET /in HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	paths := map[string]struct{}{"/in": {}, "/events/pay": {}}
	f.Fuzz(func(t *testing.T, sent []byte) {
		var h head
		var values [maxFields]string
		header := http.Header{}
		if !h.read(sent, paths, header, &values) {
			return
		}
		r := bufio.NewReader(bytes.NewReader(sent))
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Fatalf("net/http refuses it: %v", err)
		}
		if req.Method != http.MethodPost || req.URL.Path != h.path || req.RequestURI != h.path || req.Host != h.host || req.Proto != "HTTP/1.1" {
			t.Errorf("net/http reads %s %s of %s in %s, we %s of %s", req.Method, req.RequestURI, req.Host, req.Proto, h.path, h.host)
		}
		if req.ContentLength != int64(h.length) || len(req.TransferEncoding) > 0 || req.Close || len(req.Trailer) > 0 {
			t.Errorf("net/http reads a body of %d, %v, %v, %v, we one of %d", req.ContentLength, req.TransferEncoding, req.Close, req.Trailer, h.length)
		}
		if !httpguts.ValidHostHeader(req.Host) { // the server asks so too, and for the header
			t.Errorf("net/http refuses the host %q", req.Host)
		}
		for name, values := range req.Header {
			if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
				t.Errorf("net/http refuses %q: %q", name, values)
			}
		}
		if !reflect.DeepEqual(req.Header, header) {
			t.Errorf("net/http reads the header %q, we %q", req.Header, header)
		}
		if h.size+h.length > len(sent) {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || !bytes.Equal(body, sent[h.size:h.size+h.length]) {
			t.Errorf("net/http reads the body %q, %v, we %q", body, err, sent[h.size:h.size+h.length])
		}
		if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, sent[h.size+h.length:]) {
			t.Errorf("net/http leaves %q, %v, we %q", rest, err, sent[h.size+h.length:])
		}
	})
}

// TestPlainAllocatesLittle holds what a request costs: the text of its head, and of a
// header that comes twice.
func TestPlainAllocatesLittle(t *testing.T) {
	sent := []byte("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: application/json\r\nX-Slack-Signature: v0=00\r\n\r\nhello")
	paths := map[string]struct{}{"/in": {}}
	var h head
	var values [maxFields]string
	header := http.Header{}
	n := testing.AllocsPerRun(100, func() {
		clear(header)
		if !h.read(sent, paths, header, &values) {
			t.Fatal("not plain")
		}
	})
	if n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
