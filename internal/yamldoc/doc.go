// Package yamldoc reads the files that people write in YAML by a table of fields, and
// makes the JSON Schema that their editors check them with from the same table, so that
// the two cannot differ.
//
// Every problem of a file is found at once, each with its line and a remedy: a field
// that nobody knows (with the nearest that is known), one that is there twice, one that
// is missing, a value of another type or outside its bounds. A file is at most 1 MiB and
// one document; anchors and aliases are refused, so that what is written is what is meant.
package yamldoc
