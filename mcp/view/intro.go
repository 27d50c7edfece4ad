package view

// An Introduction tells the id of each author once in a result: beside the first that they wrote.
// After that the name alone stands, which is nobody else's in the result; see [Reading.Legend]. The
// zero value has introduced nobody. It is used by one goroutine.
type Introduction struct{ met map[string]bool }

// Message leaves out of a message what the result has told.
func (i *Introduction) Message(m *Message) {
	switch {
	case m.UserName == "" || m.User == "" || m.BotID != "": // bots take the names that they like
	case i.met[m.User]:
		m.User = ""
	default:
		if i.met == nil {
			i.met = map[string]bool{}
		}
		i.met[m.User] = true
	}
}
