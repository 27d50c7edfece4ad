// Package web is the server's HTTP front: the listener with its limits and certificate, the
// address of a client behind proxies, the middleware, every route, and the health answers.
// It is the only importer of Echo. What the routes lead to is handed in by [Options].
//
// routes.go shows every route on one screen, listener.go what bounds a connection.
package web
