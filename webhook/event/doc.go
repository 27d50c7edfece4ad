// Package event defines the [Event], which is what the receiving side is about: how it is
// read from the bytes that a sender posted ([DecodeSlack], [EncodingOf], [Path]), how it is
// found again ([Filter], [Query]), and how it is shown ([Sanitize]).
//
// It promises that Raw is the body as it came, byte for byte, and that decoding refuses
// nothing except a body that is not an object: an event of a type that this package does
// not know is an event like any other. It does not interpret events; a caller that wants
// more than the fields of an Event parses Raw.
//
// All packages may import this one, so it imports the standard library only, and jsontext,
// which is a part of the standard library since Go 1.27.
package event
