// Package server composes the product: it turns the configuration into a store, a
// receiver, a journal, a Slack client and the assistant's side, and serves them all.
//
// [New] builds everything and opens the store; [Server.Run] listens, serves and, when
// its context ends, drains: not ready first, then streams closed, requests finished,
// handlers finished, store closed, all within the drain time.
//
// lifecycle.go shows the order of start and stop; the HTTP front is package web.
package server
