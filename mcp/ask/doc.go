// Package ask lets an assistant ask people a question with buttons.
//
// Nothing is kept of a question but the message itself: its buttons hold what was asked,
// who may answer, and from where in the log of events the answer is to be looked for. An
// answer is a click that Slack posts and the store keeps, so it is found by whichever
// process looks, before, during or after a wait, and the first click that counts is the
// same one for all of them.
package ask
