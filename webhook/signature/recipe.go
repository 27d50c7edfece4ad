package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"slackmcp/webhook/event"
)

// A Recipe says in words how a sender signs, so that most senders need no code. What is left
// empty has the meaning in brackets. A place is "header:<name>", "query:<name>", or the path of a
// member of the body.
type Recipe struct {
	// Label is the scheme's name [made of the other fields].
	Label string
	// Algorithm is hmac-sha1, hmac-sha256, hmac-sha512, ed25519, ecdsa (P-256 with SHA-256, the
	// signature in ASN.1), or token: the sender sends the secret itself [hmac-sha256].
	Algorithm string
	// Signature is the place of the signature. Several are those of several keys, of which one
	// has to be right.
	Signature []string
	// Prefix stands before each signature, in upper or lower case; a signature without it counts
	// for nothing, unless Bare.
	Prefix string
	Bare   bool
	// Encoding is how the signature is written: hex, base64 (of either alphabet), or text, for a
	// token [hex; text for a token].
	Encoding string
	// Separator splits a value with several items [there is one]. Each that begins with Prefix is a
	// signature, and the one that begins with TimeItem is the time. Other items count for nothing.
	Separator, TimeItem string
	// Signed is what is signed, with {body}, {timestamp}, {id}, {method}, {url}, {form} (the
	// parameters of a form, sorted, each name followed by its value), {header:<name>} and
	// {member:<path>} in it [{body}]. A token signs nothing.
	Signed string
	// Time is the place of the time [the time item, or none], and Unit is s, ms or rfc3339 [s].
	Time, Unit string
	// ID is the place of the delivery's id [there is none]. It must be there when it is signed, and
	// never twice.
	ID string
	// Secret is how the secret is written: text, base64, hex or standard, which is "whsec_…" of
	// Standard Webhooks [text]. Public keys need no such word.
	Secret string
}

// recipe is a Recipe that was read.
type recipe struct {
	Recipe
	signature []place
	time, id  *place
	pieces    []piece
}

// A piece is a part of what is signed: a text as it is, or what its kind stands for.
type piece struct {
	kind, text string
	at         place
}

// NewScheme reads a recipe.
func NewScheme(o Recipe) (Scheme, error) {
	s := &recipe{Recipe: o}
	setDefault(&s.Algorithm, "hmac-sha256")
	setDefault(&s.Unit, "s")
	setDefault(&s.Secret, "text")
	if s.isToken() {
		setDefault(&s.Encoding, "text")
	} else {
		setDefault(&s.Encoding, "hex")
		setDefault(&s.Signed, "{body}")
	}
	if err := s.read(); err != nil {
		return nil, err
	}
	setDefault(&s.Label, fmt.Sprintf("%s of %q in %s", s.Algorithm, s.Signed, strings.Join(s.Signature, ", ")))
	return s, nil
}

func setDefault(at *string, value string) {
	if *at == "" {
		*at = value
	}
}

// must returns a scheme of this package, whose recipe is known to be right.
func must(o Recipe) Scheme {
	s, err := NewScheme(o)
	if err != nil {
		panic(err)
	}
	return s
}

// Words are what some fields of a Recipe may be.
var (
	Algorithms = []string{"hmac-sha256", "hmac-sha1", "hmac-sha512", "ed25519", "ecdsa", "token"}
	Encodings  = []string{"hex", "base64", "text"}
	Units      = []string{"s", "ms", "rfc3339"}
	Writings   = []string{"text", "base64", "hex", "standard"}
)

// read checks the words and reads the places and what is signed.
func (s *recipe) read() error {
	for _, c := range []struct {
		field, word string
		known       []string
	}{{"algorithm", s.Algorithm, Algorithms}, {"encoding", s.Encoding, Encodings}, {"unit", s.Unit, Units}, {"secret", s.Secret, Writings}} {
		if !slices.Contains(c.known, c.word) {
			return fmt.Errorf("signature: %s %q: write one of %s", c.field, c.word, strings.Join(c.known, ", "))
		}
	}
	if len(s.Signature) == 0 {
		return errors.New("signature: the place of the signature is missing: write header:<name>, or the path of a member of the body")
	}
	if s.Encoding == "text" && !s.isToken() {
		return errors.New("signature: a signature is written in hex or base64")
	}
	if err := s.readPlaces(); err != nil {
		return err
	}
	return s.parse()
}

func (s *recipe) readPlaces() (err error) {
	for _, text := range s.Signature {
		p, err := parsePlace(text)
		if err != nil {
			return fmt.Errorf("signature: %w", err)
		}
		s.signature = append(s.signature, p)
		if p.inBody() && len(s.Signature) > 1 {
			return errors.New("signature: a signature in the body has one place")
		}
	}
	if s.time, err = maybePlace(s.Time); err != nil {
		return err
	}
	if s.id, err = maybePlace(s.ID); err != nil {
		return err
	}
	if s.id != nil && s.id.inBody() {
		return errors.New("signature: the id of a signature is in a header")
	}
	return nil
}

func maybePlace(text string) (*place, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // There is none, and that is no error.
	}
	p, err := parsePlace(text)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return &p, nil
}

// parse reads what is signed into pieces, and checks that nothing is left unsigned by mistake.
func (s *recipe) parse() error {
	for rest := s.Signed; rest != ""; {
		text, after, found := strings.Cut(rest, "{")
		if text != "" {
			s.pieces = append(s.pieces, piece{text: text})
		}
		if !found {
			break
		}
		word, next, closed := strings.Cut(after, "}")
		p, ok := pieceOf(word)
		if !ok || !closed {
			return fmt.Errorf("signature: {%s} in what is signed: write {body}, {timestamp}, {id}, {method}, {url}, {form}, {header:<name>} or {member:<path>}", word)
		}
		s.pieces = append(s.pieces, p)
		rest = next
	}
	// A time in the body is signed with it, or as a member of it.
	inBody := s.time != nil && s.time.inBody() && (s.signs("body") || s.signs("place"))
	switch {
	case s.isToken():
		return nil
	case !inBody && s.signs("timestamp") != (s.Time != "" || s.TimeItem != ""):
		return errors.New("signature: {timestamp} has to be signed where a time is named, and a time named where it is signed")
	case s.signs("id") && s.ID == "":
		return errors.New("signature: the place of the id is missing, which is signed")
	}
	return nil
}

// pieceOf reads what stands in braces.
func pieceOf(word string) (piece, bool) {
	text, member := strings.CutPrefix(word, "member:")
	if member || strings.HasPrefix(word, "header:") {
		at, err := parsePlace(text)
		return piece{kind: "place", at: at}, err == nil
	}
	return piece{kind: word}, slices.Contains([]string{"body", "timestamp", "id", "method", "url", "form"}, word)
}

func (s *recipe) isToken() bool { return s.Algorithm == "token" }

// signs reports whether a kind of piece is signed.
func (s *recipe) signs(kind string) bool {
	return slices.ContainsFunc(s.pieces, func(p piece) bool { return p.kind == kind })
}

func (s *recipe) Name() string { return s.Label }

func (s *recipe) Headers() []string {
	var names []string
	for _, p := range s.signature {
		if p.header != "" {
			names = append(names, p.header)
		}
	}
	if s.time != nil && s.time.header != "" {
		names = append(names, s.time.header)
	}
	return names
}

func (s *recipe) elsewhere() []place {
	list := slices.Clone(s.signature)
	if s.time != nil {
		list = append(list, *s.time)
	}
	for _, p := range s.pieces {
		if p.kind == "place" && p.at.inBody() && !slices.ContainsFunc(list, func(q place) bool { return q.member == p.at.member }) {
			list = append(list, p.at)
		}
	}
	return slices.DeleteFunc(list, func(p place) bool { return p.header != "" })
}

func (s *recipe) Timed() bool { return s.time != nil || s.TimeItem != "" }

func (s *recipe) needsURL() bool { return s.signs("url") }

func (s *recipe) Key(secret string) (Key, error) {
	switch s.Algorithm {
	case "token":
		return tokenKey{sha256.Sum256([]byte(secret))}, nil
	case "ed25519":
		return newEdKey(secret)
	case "ecdsa":
		return newECKey(secret)
	}
	key, err := s.secretBytes(secret)
	if err != nil {
		return nil, err
	}
	return macKey{newMACs(hashes[s.Algorithm], key)}, nil
}

func (s *recipe) secretBytes(secret string) (key []byte, err error) {
	switch s.Secret {
	case "standard":
		return standardSecret(secret)
	case "base64":
		key, err = decode64(strings.TrimSpace(secret))
	case "hex":
		key, err = hex.DecodeString(strings.TrimSpace(secret))
	default:
		return []byte(secret), nil
	}
	if err != nil || len(key) < minKey {
		return nil, fmt.Errorf("want at least %d bytes in %s, as the sender shows it", minKey, s.Secret)
	}
	return key, nil
}

// minKey is the fewest bytes that an encoded key may have: a shorter one was cut.
const minKey = 8

func (s *recipe) Claim(r *http.Request) (Claim, error) {
	c := Claim{recipe: s}
	if err := s.claimSignatures(&c, r); err != nil {
		return Claim{}, err
	}
	if s.time != nil && !s.time.inBody() {
		v, err := s.time.value(r, nil)
		if err == nil {
			err = s.takeTime(&c, v)
		}
		if err != nil {
			return Claim{}, err
		}
	}
	if s.TimeItem != "" && c.At == 0 {
		return Claim{}, ErrMalformed
	}
	if s.id == nil {
		return c, nil
	}
	var err error
	c.ID, err = s.id.value(r, nil)
	switch signed := s.signs("id"); {
	case !signed && errors.Is(err, ErrMissing):
		return c, nil
	case signed && strings.Contains(c.ID, "."):
		return Claim{}, ErrMalformed // "a.1" and "2." could be read as "a" and "1.2.".
	}
	return c, err
}

// claimSignatures reads the signatures that do not stand in the body.
func (s *recipe) claimSignatures(c *Claim, r *http.Request) error {
	if s.signature[0].inBody() {
		return nil
	}
	for _, p := range s.signature {
		v, err := p.value(r, nil)
		if errors.Is(err, ErrMissing) {
			continue
		}
		if err == nil {
			err = s.take(c, v)
		}
		if err != nil {
			return err
		}
	}
	if len(c.sigs) == 0 {
		return ErrMissing
	}
	return nil
}

// maxSums is how many signatures one value may carry: senders add one for each secret that is
// valid while they rotate.
const maxSums = 8

// take reads the signatures of a value, and the time that may stand between them. A signature
// that is ill-formed counts for nothing when another one is well-formed.
func (s *recipe) take(c *Claim, value string) error {
	items, first := []string{value}, len(c.sigs)
	if s.Separator != "" {
		items = strings.Split(value, s.Separator)
	}
	for _, item := range items {
		item = strings.TrimSpace(item)
		if stamp, ok := strings.CutPrefix(item, s.TimeItem); ok && s.TimeItem != "" {
			if err := s.takeTime(c, stamp); err != nil {
				return err
			}
			continue
		}
		sig, ok := s.decode(item)
		if !ok {
			continue
		}
		if len(c.sigs) == first+maxSums {
			return ErrMalformed
		}
		c.sigs = append(c.sigs, sig)
	}
	if len(c.sigs) == first {
		return ErrMalformed
	}
	return nil
}

// decode reads one signature.
func (s *recipe) decode(item string) ([]byte, bool) {
	if len(item) >= len(s.Prefix) && strings.EqualFold(item[:len(s.Prefix)], s.Prefix) {
		item = strings.TrimLeft(item[len(s.Prefix):], " ")
	} else if !s.Bare {
		return nil, false
	}
	var sig []byte
	var err error
	switch s.Encoding {
	case "base64":
		sig, err = decode64(item)
	case "text":
		sig = []byte(item)
	default:
		sig, err = hex.DecodeString(item)
	}
	if err != nil || len(sig) == 0 {
		return nil, false
	}
	if of, ok := hashes[s.Algorithm]; ok && len(sig) != of().Size() {
		return nil, false
	}
	return sig, true
}

// takeTime takes the time, which stands once.
func (s *recipe) takeTime(c *Claim, text string) (err error) {
	if c.At != 0 {
		return ErrMalformed
	}
	c.stamp = text
	c.At, err = readTime(text, s.Unit)
	return err
}

// complete reads what of a claim stands in the body.
func (s *recipe) complete(c *Claim, body []byte) error {
	if s.signature[0].inBody() && c.sigs == nil {
		list, err := s.signature[0].values(c.request, body)
		if err != nil {
			return err
		}
		for _, v := range list {
			if err := s.take(c, v); err != nil {
				c.sigs = nil
				return err
			}
		}
	}
	if s.time != nil && s.time.inBody() && c.At == 0 {
		v, err := s.time.value(c.request, body)
		if err != nil {
			return err
		}
		return s.takeTime(c, v)
	}
	return nil
}

// message writes what is signed.
func (s *recipe) message(w io.Writer, c *Claim, body []byte) error {
	if err := s.complete(c, body); err != nil {
		return err
	}
	for _, p := range s.pieces {
		if p.kind == "body" {
			writeBody(w, body)
			continue
		}
		text, err := s.text(p, c, body)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(w, text) // A hash and a buffer never fail.
	}
	return nil
}

// text is what a piece stands for in a request.
func (s *recipe) text(p piece, c *Claim, body []byte) (string, error) {
	switch p.kind {
	case "":
		return p.text, nil
	case "timestamp":
		return c.stamp, nil
	case "id":
		return c.ID, nil
	case "method":
		return c.request.Method, nil
	case "url":
		if q := c.request.URL.RawQuery; q != "" {
			return c.v.url + "?" + q, nil
		}
		return c.v.url, nil
	case "form":
		return sortedForm(c.request, body)
	}
	return p.at.value(c.request, body)
}

// bodySum is the parameter of the query by which the address vouches for a body that is no form.
const bodySum = "bodySHA256"

// sortedForm returns the names and values of a form, sorted by name. The address, which is
// signed too, has the hash of every other body; a form beside that hash, or another body without
// it, would be unsigned, and is refused.
func sortedForm(r *http.Request, body []byte) (string, error) {
	want := r.URL.Query()[bodySum]
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded") {
		sum := sha256.Sum256(body)
		if len(want) != 1 || !hmac.Equal([]byte(strings.ToLower(want[0])), []byte(hex.EncodeToString(sum[:]))) {
			return "", ErrMismatch
		}
		return "", nil
	}
	if want != nil {
		return "", ErrMalformed
	}
	var list []string
	seen := map[string]bool{}
	for name, value := range event.Pairs(body) {
		if seen[string(name)] {
			return "", ErrMalformed
		}
		seen[string(name)] = true
		list = append(list, string(name)+"\x00"+string(value))
	}
	slices.Sort(list)
	return strings.ReplaceAll(strings.Join(list, ""), "\x00", ""), nil
}

// encode writes a signature as a recipe has it.
func (s *recipe) encode(sig []byte) string {
	switch s.Encoding {
	case "base64":
		return s.Prefix + base64.StdEncoding.EncodeToString(sig)
	case "text":
		return s.Prefix + string(sig)
	}
	return s.Prefix + hex.EncodeToString(sig)
}
