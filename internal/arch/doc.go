// Package arch holds the rules of the house as tests: who may import whom, one
// importer for each framework, one doc comment a package, and the length of a file.
// It has no code of its own.
package arch
