// Package rule works events by a file that people write instead of a program: each rule
// matches events and acts on them, by a message to Slack, a signed webhook, a command or
// a line in the log.
//
// A rule is a consumer group of its own ("rule." and its name): what it has done, what it
// retries and what it gave up outlive the process, and no rule delays another. A new rule
// begins with the events that are received from then on, unless it says start: oldest.
//
// [Parse] reads a file and finds every problem with its line. A [Runner] works a set of
// rules and takes another one while it runs: rules that stay as they are notice nothing,
// a changed rule goes on with its group where it was, and the group of a removed one is
// dropped.
//
// Loops: an event of our own bot reaches no rule that does not say include_self, and
// until Slack has told who our bot is, no rule acts on Slack's events. A rule that acts
// too often on what other bots write is stopped by its breaker; what comes then is a dead
// letter, not lost.
//
// Whatever an event says is untrusted. In a message it is escaped, in a log line it is
// quoted, to a command it is standard input and never an argument, and views of it leave
// out what would let their reader act as somebody.
package rule
