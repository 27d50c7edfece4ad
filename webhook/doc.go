// Package webhook is the receiving side: an http.Handler that takes what Slack and
// other senders post, verifies it, and answers 200 only after a [Publisher] has it.
//
// One pipeline serves every route, in this order: method, signature headers and
// timestamp, media type, body limit, signature, envelope, publish. A request that
// fails a step meets none of the later ones, so that bytes nobody signed reach no
// decoder, no log and no store.
//
// Promises: 200 means published, or published before (a duplicate), or nothing to
// publish (a challenge, a probe). What cannot be stored now is 503 with Retry-After,
// never 200 and never 4xx. A signed event of a kind nobody knew is taken as any other.
// Every body is bounded and has to come at a least rate, bodies in flight share a budget
// of which strangers have half, and a publish has a deadline. An address that keeps
// failing verification is refused before anything of it is read; one from which a
// verified request came is not.
//
// Not promised: an order among events, and a deadline for headers and for bodies below
// 8 KiB, which is http.Server's ReadTimeout.
package webhook
