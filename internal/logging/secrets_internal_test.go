package logging

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestMatcherFindsWhatASearchFinds compares the pass over a line with a search at each of
// its bytes, on lines of so few letters that secrets overlap, repeat and begin alike.
func TestMatcherFindsWhatASearchFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[random.IntN(2)]
		}
		return b
	}
	found := 0
	for range 20_000 {
		var secrets []string
		for range 1 + random.IntN(3) {
			secrets = append(secrets, string(text(minLength+random.IntN(6))))
		}
		line := text(random.IntN(80))
		got, want := newMatcher(secrets).redact(line), searched(line, secrets)
		if !bytes.Equal(got, want) {
			t.Fatalf("%q without %q is %q, want %q", line, secrets, got, want)
		}
		if !bytes.Equal(got, line) {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("%d lines held a secret, too few to tell", found)
	}
}

// searched takes secrets out of a line the plain way: it marks their bytes, and what was
// marked in one piece by secrets that overlap goes as one.
func searched(line []byte, secrets []string) []byte {
	var clean []byte
	end := 0
	for at := range line {
		for _, secret := range secrets {
			if !bytes.HasPrefix(line[at:], []byte(secret)) {
				continue
			}
			if at >= end {
				clean = append(append(clean, line[end:at]...), Redacted...)
			}
			end = max(end, at+len(secret))
		}
	}
	return append(clean, line[end:]...)
}
