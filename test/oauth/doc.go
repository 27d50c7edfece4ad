// Package oauth holds a real OAuth authorization server for the tests: server.mjs, on
// npm's oidc-provider.
package oauth
