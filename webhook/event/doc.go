// Package event holds the noun of the receiving side: an [Event], how it is read
// from the bytes that a sender posted ([DecodeSlack], [EncodingOf], [Path]), how it is
// found again ([Filter], [Query]), and how it is shown ([Sanitize]).
//
// It promises that Raw is the body as it came, byte for byte, and that decoding
// refuses nothing but what is not an object: a type that nobody knew when this was
// written is an event like any other. It does not interpret events; who wants the
// inside parses Raw.
//
// The package imports the standard library only, so that everything may import it.
package event
