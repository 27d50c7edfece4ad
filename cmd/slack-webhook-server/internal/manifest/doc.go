// Package manifest makes the manifest of the Slack app that a configuration needs: the
// scopes of the chosen tools and of the events, the addresses that Slack posts to, and
// nothing more.
package manifest
