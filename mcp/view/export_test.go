package view

import "maps"

// Types are the types of events and interactions that lockdown has a list for.
func Types() []string {
	var all []string
	for typ := range maps.Keys(fields) {
		all = append(all, typ)
	}
	return all
}

// Seen are the types for which it is judged what a person is shown, Told those that are told in words.
func Seen() []string { return sorted(seen) }

// Told are the types of which sentences tell.
func Told() []string { return sorted(tellings) }
