// Package prompts is what a person can start an assistant with: a few tasks that this
// server is good for, and how each of the original's tools is used.
//
// A prompt is our own words with the person's arguments put in; it says which tools to
// call and in what order. It holds nothing that came from Slack.
package prompts
