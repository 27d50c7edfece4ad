// Package resources is what an assistant can read by address and follow: received
// events, by all, by conversation, by thread and by sender; and what is in Slack:
// channels, users, user groups, emoji, threads.
//
// It promises that each resource is JSON of bounded size, cleaned and marked as
// untrusted by package view; that a resource is neither listed for, read by nor
// followed by a caller who lacks its scope; and that [Changed] names each resource
// that an event changes.
package resources
