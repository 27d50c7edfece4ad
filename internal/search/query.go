// Package search finds words in events: it reads what people ask for ([Parse]), and says whether an event says it
// ([Query.Finds]). Every store, page and tool that searches asks it, so that one query finds the same events
// everywhere.
//
// Words are compared as people read them: capitals, accents, compatibility forms and characters that no reader sees
// make no difference. A word is a run of letters and digits; of a script without spaces each character is one.
//
// What of an event is searched is what [TextOf] returns. A store may keep an index of the words that [Words] finds
// in an event: all that a query finds is in it.
package search

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a query.
const (
	// MaxQuery is how many characters it has at most, and MaxWords how many words.
	MaxQuery = 200
	MaxWords = 16
	// MinPrefix is how many letters and digits stand at least before a *.
	MinPrefix = 3
)

// A Query is words that all have to occur.
type Query struct {
	phrases []phrase
}

// A phrase is words that follow each other.
type phrase struct {
	words []string
	// begins says that the last word is the beginning of one.
	begins bool
}

// A Term is a word that an event has to have for a query to find it.
type Term struct {
	Word string
	// Prefix says that it is the first [MinPrefix] characters of the word.
	Prefix bool
}

// Parse reads a query: words between spaces, of which all have to occur; words "in quotes" follow each other; a
// word that ends with * is the beginning of one. Its error says what to write instead.
func Parse(s string) (Query, error) {
	s = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`).Replace(s)
	switch {
	case !utf8.ValidString(s):
		return Query{}, errors.New("it is not UTF-8: write it anew")
	case utf8.RuneCountInString(s) > MaxQuery:
		return Query{}, fmt.Errorf("it is longer than %d characters: leave the less telling words out", MaxQuery)
	case strings.Count(s, `"`)%2 == 1:
		return Query{}, errors.New(`a " has no second one: put one behind the words that belong together, or leave it out`)
	}
	var q Query
	for i, part := range strings.Split(s, `"`) {
		words := []string{part}
		if i%2 == 0 {
			words = strings.Fields(part)
		}
		for _, w := range words {
			if err := q.add(w, i%2 == 1); err != nil {
				return Query{}, err
			}
		}
	}
	n := 0
	for _, p := range q.phrases {
		n += len(p.words)
	}
	switch {
	case n == 0:
		return Query{}, errors.New("there is no word in it: write at least one, of letters or digits")
	case n > MaxWords:
		return Query{}, fmt.Errorf("it has more than %d words: leave the less telling ones out", MaxWords)
	}
	return q, nil
}

// fields are what other programs write in a query to choose by something else than words.
var fields = []string{"from:", "in:", "to:", "with:", "before:", "after:", "on:", "during:", "has:", "is:"}

// foreign says what is wrong with a word that is meant to do something else than to occur; nil where it is not.
func foreign(s string) error {
	low := strings.ToLower(strings.TrimLeft(s, "-"))
	switch {
	case s == "OR" || s == "NOT" || s == "AND" || s == "|":
		return fmt.Errorf("all words have to occur, and %s is none: leave it out, and ask once for each choice", s)
	case len(s) > 1 && s[0] == '-' && unicode.IsLetter(firstRune(s[1:])):
		return fmt.Errorf("words cannot be excluded: leave %q out", s)
	case slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(low, f) }):
		return fmt.Errorf("%q is no word: leave it out, and choose people, places and times by the other arguments", s)
	}
	return nil
}

// add takes in what stands between spaces or quotes.
func (q *Query) add(s string, quoted bool) error {
	if err := foreign(s); err != nil && !quoted {
		return err
	}
	p := phrase{begins: strings.HasSuffix(s, "*")}
	if s = strings.TrimSuffix(s, "*"); strings.Contains(s, "*") && !isMarkup(s) {
		return errors.New("* stands only at the end of a word: write its beginning and one *")
	}
	p.words = slices.Collect(words(s))
	if len(p.words) == 0 {
		if p.begins {
			return errors.New("* stands alone: write the beginning of a word before it, or leave it out")
		}
		return nil // punctuation
	}
	if last := p.words[len(p.words)-1]; p.begins {
		switch n := utf8.RuneCountInString(last); {
		case n == 1 && spaceless(firstRune(last)):
			p.begins = false // each character is a word
		case n < MinPrefix:
			return fmt.Errorf("before a * stand at least %d letters or digits: write more of the word", MinPrefix)
		}
	}
	q.phrases = append(q.phrases, p)
	return nil
}

// isMarkup reports a word that stands between two stars, as people write bold ones.
func isMarkup(s string) bool { return strings.HasPrefix(s, "*") && strings.Count(s, "*") == 1 }

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// Terms returns the words that an event has to have.
func (q Query) Terms() []Term {
	var all []Term
	for _, p := range q.phrases {
		for i, w := range p.words {
			t := Term{Word: w}
			if p.begins && i == len(p.words)-1 {
				t = Term{Word: w[:Prefix(w)], Prefix: true}
			}
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// Prefix returns how many bytes the first [MinPrefix] characters of a word have; 0 of a word that has fewer.
func Prefix[T string | []byte](w T) int {
	n := 0
	for i := range len(w) {
		if utf8.RuneStart(w[i]) {
			if n == MinPrefix {
				return i
			}
			n++
		}
	}
	if n == MinPrefix {
		return len(w)
	}
	return 0
}

// Match reports whether a text says what is asked for.
func (q Query) Match(text string) bool {
	found := make([]bool, len(q.phrases))
	left := len(found)
	longest := 1
	for _, p := range q.phrases {
		longest = max(longest, len(p.words))
	}
	last := make([]string, 0, 2*longest) // the words up to here, as many as a phrase has at most
	for w := range words(text) {
		if len(last) == cap(last) {
			last = append(last[:0], last[longest:]...)
		}
		last = append(last, w)
		for i := range q.phrases {
			if !found[i] && q.phrases[i].ends(last) {
				found[i] = true
				left--
			}
		}
		if left == 0 {
			return true
		}
	}
	return false
}

// ends reports whether words end with the phrase.
func (p *phrase) ends(list []string) bool {
	n := len(p.words)
	if len(list) < n {
		return false
	}
	list = list[len(list)-n:]
	for i, w := range p.words {
		if list[i] != w && (!p.begins || i < n-1 || !strings.HasPrefix(list[i], w)) {
			return false
		}
	}
	return true
}
