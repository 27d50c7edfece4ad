// Package socket is how an operator's commands reach a running server: HTTP with JSON
// over the Unix socket operator.sock in DATA_DIR, which only the owner may open. Nobody
// is asked for a token there: who may open the socket may read the store's files.
//
// Every request is a POST to /v1/<route> with a JSON value as its body. A route made by
// [Call] answers one JSON value; one made by [Stream] answers lines of JSON as they
// come, and says at the end whether it is the end. What fails answers a [Error]. Bodies
// are bounded to 1 MiB, calls by a deadline, and streams in number.
//
// To add a command that needs the running server:
//
//  1. In server, where the socket is made (server/operators.go), give it a route:
//     b.socket.Handle("gaps", socket.Call(func(ctx context.Context, in gapsIn) (gapsOut, error) {…}))
//  2. In cmd, ask for it on the client that openOperator returned:
//     out, err := socket.Ask[gapsOut](ctx, client, "gaps", gapsIn{…})
//     or, of a Stream, socket.Follow[item](ctx, client, "watch", in, func(item) error {…}).
//
// A route that a server does not know, because it is older, is [ErrUnknownRoute].
// What works on the store alone needs no route of its own: [Client] is an operator's
// whole store.
package socket
