package function

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// payloadVersion is the one that Function URLs send, and HTTP APIs unless told otherwise.
const payloadVersion = "2.0"

// requestIDHeader takes the invocation's id where the sender has given none.
const requestIDHeader = "X-Request-Id"

// errPayload says that the function was not called by what it is made for.
var errPayload = errors.New("the event is no HTTP request of payload version 2.0: call the function by its Function URL")

// request makes an event an HTTP request. Its error tells the function's owner, who sees
// it in the log, and has nothing of the event in it.
func request(ctx context.Context, payload []byte) (*http.Request, error) {
	var e events.LambdaFunctionURLRequest
	if json.Unmarshal(payload, &e) != nil || e.Version != payloadVersion || e.RequestContext.HTTP.Method == "" {
		return nil, errPayload
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, errors.New("the event's body is not base64, though the event says so")
		}
	}
	target := e.RawPath
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if e.RawQueryString != "" {
		target += "?" + e.RawQueryString
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("the event's path is no path of a URL")
	}
	r := &http.Request{
		Method: e.RequestContext.HTTP.Method, URL: u, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header(&e), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		Host: e.RequestContext.DomainName, RemoteAddr: net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0"),
		// A Function URL speaks nothing but HTTPS; AWS ends it.
		TLS: &tls.ConnectionState{HandshakeComplete: true, ServerName: e.RequestContext.DomainName},
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok && r.Header.Get(requestIDHeader) == "" {
		r.Header.Set(requestIDHeader, lc.AwsRequestID)
	}
	return r.WithContext(ctx), nil
}

// header puts the names, which AWS writes in lower case, as net/http has them.
func header(e *events.LambdaFunctionURLRequest) http.Header {
	h := make(http.Header, len(e.Headers)+1)
	for name, value := range e.Headers {
		h.Add(name, value)
	}
	if len(e.Cookies) > 0 {
		h.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return h
}
