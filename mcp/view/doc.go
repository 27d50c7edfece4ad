// Package view is how an assistant sees what came from Slack and from other senders:
// events, messages, people, conversations, files.
//
// All of it was written by somebody else, so each view is an object that says
// "untrusted": true and, for what has an author, where it came from ([Provenance]).
// Every text in it went through [Clean]. Nothing of it is ever put into a description,
// an instruction or an error.
//
// It promises that secrets that an event's body holds are not in a view (see
// event.Sanitize), and that under lockdown no text of an author who is not known to
// belong to the workspace is. It does not judge what a text says: a marker tells a
// model whose words it reads, it cannot make the model heed it.
package view
