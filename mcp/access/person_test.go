package access_test

import (
	"testing"

	"slackmcp/mcp/access"
)

func TestPerson(t *testing.T) {
	t.Parallel()
	const host = "slack.com"
	plain := access.Person{Host: host, Team: "T1", User: "U1"}
	grid := access.Person{Host: host, Enterprise: "E1", Team: "T1", User: "U1"}
	org := access.Person{Host: host, Enterprise: "E1", User: "U1"}
	for _, c := range []struct {
		name string
		p, q access.Person
		same bool
	}{
		{"themselves", plain, plain, true},
		{"another user", plain, access.Person{Host: host, Team: "T1", User: "U2"}, false},
		{"another workspace", plain, access.Person{Host: host, Team: "T2", User: "U1"}, false},
		{"another Slack", plain, access.Person{Host: "slack-gov.com", Team: "T1", User: "U1"}, false},
		{"two workspaces of one organization", grid, access.Person{Host: host, Enterprise: "E1", Team: "T2", User: "U1"}, true},
		{"a workspace and its organization", grid, org, true},
		{"another organization", org, access.Person{Host: host, Enterprise: "E2", User: "U1"}, false},
		{"inside and outside of an organization", plain, grid, false},
		{"nobody", access.Person{}, access.Person{}, false},
		{"nobody of a workspace", access.Person{Host: host, Team: "T1"}, access.Person{Host: host, Team: "T1"}, false},
	} {
		if c.p.Same(c.q) != c.same || c.q.Same(c.p) != c.same {
			t.Errorf("%s: the same is %v", c.name, !c.same)
		}
	}
	p, q := access.SignedIn(access.SignIn{ID: "a", Person: plain}), access.SignedIn(access.SignIn{ID: "b", Person: plain})
	if p.Account() != q.Account() || p.Account() != plain.Account() || p.Name == q.Name || p.Owner() == q.Owner() || !access.IsPerson(p.Account()) {
		t.Errorf("two sign-ins of a person: %q of %q and %q of %q", p.Name, p.Account(), q.Name, q.Account())
	}
	if plain.String() != "T1/U1" || org.String() != "E1/U1" {
		t.Errorf("%s, %s", plain, org)
	}
}
