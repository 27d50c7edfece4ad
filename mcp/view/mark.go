package view

// A Mark stands at the top of each result that may hold what others wrote. It stands there once, for
// all that is in the result, and in nothing that lies deeper: there JSON that a sender wrote may have
// a member of the same name, which means nothing.
type Mark struct {
	Untrusted Always `json:"untrusted"`
}

// Always is written as true, whatever it is, so that no result can forget to say so.
type Always bool

// MarshalJSON returns true.
func (Always) MarshalJSON() ([]byte, error) { return []byte("true"), nil }
