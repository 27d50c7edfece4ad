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
