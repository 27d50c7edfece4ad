// Package gaps keeps account of the times in which events were missed, and fills them.
//
// Slack gives an event up when its deliveries fail, at the latest some six minutes after
// the first (a day with Delayed Events), and delivers none of a minute in which an app was
// over its hourly limit. Nobody tells the app what it missed; but when is known: from
// Slack's own notice, from how long nothing could be received or stored, and from
// deliveries that arrive so late that others before them must have been given up. A
// [Ledger] records these times, durably and once for all processes that share a store. A
// [Filler] reads what was said in them from the history of the channels, and publishes
// what is not stored yet.
package gaps
