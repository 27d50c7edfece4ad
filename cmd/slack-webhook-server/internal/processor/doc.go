// Package processor hands the events of a group to another program, as lines of JSON.
package processor
