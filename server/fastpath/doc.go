// Package fastpath serves the plainest requests of a few routes itself, and leaves every
// other request, and with it the connection, to net/http (ADR 8).
//
// A [Listener] stands between an http.Server and its listener. It reads what a connection
// sends first. While that is one whole plain request after the other, it calls the handler
// and writes the answer: no second goroutine, context and buffered writer for each request,
// which are much of what net/http costs. At the first byte that is anything else
// the connection becomes one that the http.Server accepts, with what was read before it,
// and stays the http.Server's until it ends.
//
// Plain is a POST to one of the paths over HTTP/1.1, in one piece of at most 8 KiB, whose
// lines end with CRLF, whose header lines are a name of letters, digits and dashes, a colon,
// one space, and visible ASCII, and whose body has the one Content-Length, without anything
// that changes how a body is read or answered. So do Slack's requests look, behind a proxy
// that speaks HTTP/1.1 with connections that are kept. Whatever net/http would refuse, or read otherwise, is not plain, so that there is nothing about
// which this parser and another could disagree; FuzzPlain compares it with net/http's.
//
// The handler is any http.Handler that answers at once and in whole: its ResponseWriter
// gathers the answer, and has neither Flush nor Hijack nor deadlines. A request, its header
// and its body are the handler's until it returns, no longer. Its context is not canceled
// when the client goes away.
package fastpath
