// Package limiter holds back addresses whose requests keep failing verification, so
// that whoever posts without a secret costs little, and those who have it never notice.
//
// Only failures count: an address may have [Options.PerMinute] of them, and what it
// posts beyond that is refused before its body is read, until a minute's share has come
// back. An address from which a verified request came within the last day is known: it
// is never held back, whatever else comes from it, for behind one address there may be
// a proxy that nobody named as such.
//
// An IPv6 address stands for its /64, which is what one customer is given. The table is
// bounded; when it is full, the address that was quiet the longest of a few is
// forgotten, and known ones last.
//
// All methods are safe for concurrent use, allocate nothing for an address that is in
// the table, and never wait for more than a mutex.
package limiter
