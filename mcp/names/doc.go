// Package names turns what people write into Slack's ids, and ids into names: a
// channel by id, "#name" or permalink, a user by id, "@name" or e-mail address, a
// message by permalink.
//
// It asks Slack only for what is asked of it, keeps answers within bounds and for a
// time, lets events that were received keep them fresh, and crawls nothing on its own.
// Names are what people chose: they are matched, and shown as untrusted.
package names
