// Package apidoc describes the server's own routes: as an OpenAPI 3.1 document, from
// openapi.json beside this file, and as a page made from the document, without scripts
// and without anything from elsewhere. Both name only what a server answers.
package apidoc
