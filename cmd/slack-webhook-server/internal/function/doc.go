// Package function serves an http.Handler to AWS Lambda: the requests of a Function URL,
// or of an HTTP API, in payload version 2.0. It is the only importer of aws-lambda-go.
//
// The body reaches the handler byte for byte as it was posted, so that a signature over
// it holds. Every invocation is answered before its deadline: a handler that needs
// longer is let go and the caller is told 503, which senders repeat.
package function
