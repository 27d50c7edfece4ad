package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"slackmcp/signin/seal"
)

// A client is a program that people sign in with. All of them are public: they have no secret.
type client struct {
	id   string
	name string // what it calls itself, or the operator calls it
	// redirects are what it has registered.
	redirects []string
	// vouched says that the operator, or we, know the client by its id: not everybody could have
	// registered it.
	vouched bool
}

// hash is the client's id as it is kept in rows.
func (c *client) hash() string { return hashID(c.id) }

func hashID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// allows reports whether the client has registered a redirect.
func (c *client) allows(redirect string) bool {
	return slices.ContainsFunc(c.redirects, func(r string) bool { return sameRedirect(redirect, r) })
}

const (
	// sealedPrefix begins the ids of clients that have registered themselves: the id is the sealed
	// registration, so that nothing of it is kept.
	sealedPrefix = "swc_"
	// maxID bounds an id, in bytes.
	maxID = 1 << 10
	// maxName bounds a client's name, in characters.
	maxName = 64
	// maxRedirects bounds how many redirects a client registers.
	maxRedirects = 16
)

// registration is what a sealed id holds.
type registration struct {
	Name      string   `json:"n,omitempty"`
	Redirects []string `json:"r"`
}

// errUnknownClient says that an id is nobody's: the client has to register anew.
var errUnknownClient = errors.New("the client is not known here")

// clients finds clients by their ids.
type clients struct {
	sealer    *seal.Sealer
	named     map[string]*client // by the operator
	documents *documents
}

// find returns the client of an id: errUnknownClient, or an error that says why it cannot be known
// now.
func (c *clients) find(ctx context.Context, id string) (*client, error) {
	if id == "" || len(id) > maxID {
		return nil, errUnknownClient
	}
	if strings.HasPrefix(id, "https://") {
		return c.documents.find(ctx, id)
	}
	if known := c.named[id]; known != nil {
		return known, nil
	}
	return c.registered(id)
}

// known reports whether find would know an id, without a fetch.
func (c *clients) known(id string) bool {
	if strings.HasPrefix(id, "https://") {
		return c.documents.allowed(id)
	}
	if c.named[id] != nil {
		return true
	}
	_, err := c.registered(id)
	return err == nil
}

// registered opens a sealed registration.
func (c *clients) registered(id string) (*client, error) {
	sealed, ok := strings.CutPrefix(id, sealedPrefix)
	if !ok {
		return nil, errUnknownClient
	}
	text, err := c.sealer.OpenText(sealedPrefix, sealed)
	if err != nil {
		return nil, errUnknownClient
	}
	var r registration
	if json.Unmarshal(text, &r) != nil {
		return nil, errUnknownClient
	}
	return &client{id: id, name: r.Name, redirects: r.Redirects}, nil
}

var errTooLong = errors.New("the registration is too long: register fewer or shorter redirect addresses")

// register returns the id of a new client. A name that does not fit is left out.
func (c *clients) register(r registration) (*client, error) {
	r.Name = cleanName(r.Name)
	for {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		id := sealedPrefix + c.sealer.SealText(sealedPrefix, text)
		if len(id) <= maxID {
			return &client{id: id, name: r.Name, redirects: r.Redirects}, nil
		}
		if r.Name == "" {
			return nil, errTooLong
		}
		r.Name = ""
	}
}

// cleanName returns what may be shown of a name that a stranger chose: printable characters in one
// line, at most maxName of them. Characters that turn the direction of a line, or are not seen, are
// left out.
func cleanName(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
			continue
		}
		if n++; n > maxName {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ParseClients reads what the operator names beside the known clients. An entry is a host to which
// browsers may be sent back ("agents.example.com", with a port where it is not 443), a client
// metadata document ("https://agents.example.com/client.json"), or a client with a redirect of its
// own ("my-agent=https://agents.example.com/callback"; several entries of one id add up).
func ParseClients(entries []string) (Named, error) {
	n := Named{clients: map[string]*client{}}
	for _, entry := range entries {
		if err := n.add(entry); err != nil {
			return Named{}, fmt.Errorf("%q: %w", entry, err)
		}
	}
	return n, nil
}

// Named is what the operator has named. The zero value is nothing.
type Named struct {
	hosts     []string
	documents []string
	clients   map[string]*client
}

func (n *Named) add(entry string) error {
	if strings.HasPrefix(entry, "https://") {
		if err := checkDocumentURL(entry); err != nil {
			return err
		}
		n.documents = append(n.documents, entry)
		return nil
	}
	if id, redirect, ok := strings.Cut(entry, "="); ok {
		return n.addClient(id, redirect)
	}
	u, err := url.Parse("https://" + entry)
	if err != nil || u.Host != entry || u.Hostname() == "" || entry != strings.ToLower(entry) || strings.ContainsAny(entry, "*@ ") {
		return errors.New("want a host in lower case, the https URL of a client metadata document, or id=redirect")
	}
	n.hosts = append(n.hosts, entry)
	return nil
}

func (n *Named) addClient(id, redirect string) error {
	if id == "" || len(id) > maxName || strings.HasPrefix(id, sealedPrefix) || strings.Trim(id, idCharacters) != "" {
		return errors.New("the id of a client has 1 to 64 characters of [A-Za-z0-9._-]")
	}
	u, err := parseRedirect(redirect)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return errors.New("a redirect by http goes to a program on the same computer only")
	}
	switch u.Scheme {
	case "javascript", "data", "file", "blob", "about", "vbscript":
		return errors.New("browsers are not sent to that scheme")
	}
	c := n.clients[id]
	if c == nil {
		c = &client{id: id, name: id, vouched: true}
		n.clients[id] = c
	}
	c.redirects = append(c.redirects, redirect)
	return nil
}

const idCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
