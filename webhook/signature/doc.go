// Package signature tells requests that a sender signed from those that only claim to
// come from it.
//
// A [Scheme] knows where its sender puts the signature and what it covers; a
// [Verifier] joins it with secrets. Verification has two steps, so that the body of a
// request that cannot be genuine is never read: [Verifier.Open] judges the headers and
// the timestamp, [Verifier.Verify] the body.
//
// Promises: every signature is an HMAC-SHA256 over the raw bytes, compared in constant
// time; exactly one signature header is accepted; an empty secret is no secret; several
// secrets are valid at once while one is rotated. No error holds a signature, a
// computed sum or a part of the body, so that none helps to forge one.
//
// Not promised: that a request came only once. A genuine request can be sent again
// within the tolerance, and for ever where the scheme has no timestamp; who stores
// requests has to recognise copies.
package signature
