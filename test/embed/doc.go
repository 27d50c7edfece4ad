// Package embed holds the server to being a library: the example program is compiled and
// run, and what such programs see of the packages is kept in a golden file.
package embed
