// Package console is how commands speak: tables for people, JSON for programs, progress
// while something takes long, and a question before something cannot be undone. What
// others wrote is made harmless to a terminal in all of them.
package console
