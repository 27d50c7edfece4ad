package resources

// Options configure the resources.
type Options struct {
	// Events is the log of received events; nil leaves its resources out.
	Events EventLog
	// Lockdown withholds the words of authors who are not known to be of the workspace.
	Lockdown bool
}

// New returns the resources that can be read with what the options hold.
func New(o Options) (*Set, error) {
	var all []Resource
	if o.Events != nil {
		all = append(all, (&eventReader{log: o.Events, lockdown: o.Lockdown}).resources()...)
	}
	return newSet(all)
}
