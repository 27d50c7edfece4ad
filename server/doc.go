// Package server composes the product: it turns the configuration into a store, a
// receiver, a journal, a Slack client and the assistant's side, and serves them all
// from one Echo process. It is the only importer of Echo.
//
// [New] builds everything and opens the store; [Server.Run] listens, serves and, when
// its context ends, drains: not ready first, then streams closed, requests finished,
// handlers finished, store closed, all within the drain time.
//
// routes.go shows every route on one screen, lifecycle.go the order of start and stop.
package server
