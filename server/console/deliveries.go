package console

import (
	"net/http"

	"slackmcp/webhook"
)

// deliveries lists what senders posted and the server refused, of the sources that keep it.
func (c *Console) deliveries(*http.Request) (any, error) {
	var d struct {
		List []webhook.Rejected
		More int
		None bool
	}
	if d.None = c.opt.Rejected == nil; d.None {
		return d, nil
	}
	if d.List = c.opt.Rejected(); len(d.List) > maxRows {
		d.List, d.More = d.List[:maxRows], len(d.List)-maxRows
	}
	return d, nil
}

// delivery shows one of them whole.
func (c *Console) delivery(r *http.Request) (any, error) {
	if c.opt.Rejected != nil {
		for _, one := range c.opt.Rejected() {
			if one.ID == r.FormValue("id") {
				return one, nil
			}
		}
	}
	return nil, problem{"No refused delivery of that id is kept.", "They are kept for a day, 50 of each source: look at the list."}
}
