// Package metrics is what an operator's Prometheus sees of the process: one registry
// of our own, and one file for each subject (receiving, queue, handlers, Slack's API,
// assistants). It is the only importer of the Prometheus client. The packages below
// server know nothing of it: they tell a callback what happened (an Observe or OnCall
// option) or answer a Stats method, and server joins the two.
//
// Promises: a label's values come from a closed list, or are bounded in number, whatever
// a sender or an assistant sends ([Closed], [Bounded]); no value is a secret, an address,
// an id or a text of an event. [Receive.Observe], which runs once for each delivery,
// allocates nothing and takes no lock. docs/metrics.md is made from the registry, and
// the dashboard and the alert rules in deploy/ are checked against it.
//
// # How to add a metric
//
//  1. Let the package report: extend its Observation or Stats, or give its Options a
//     callback. It must not import this package.
//  2. Take the subject's file here, or add one: a struct with the instruments, and a
//     constructor that [New] calls with the registry. r.Counter, r.Gauge and r.Histogram
//     are for what is told; r.Reading with r.Read is for what is looked up when somebody
//     asks for /metrics. The name is given without the common prefix, has a unit
//     (_seconds, _bytes) and ends in _total when it only grows. Every label is Closed or
//     Bounded.
//  3. Join them where server composes the package, such as receive.go: pass the method
//     of your struct as the callback.
//  4. Run `make docs` for docs/metrics.md, and add a panel to
//     deploy/grafana/slack-webhook-server.json when an operator should look at it.
package metrics
