package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/signin/seal"
)

func ring(t *testing.T, first byte, more ...byte) *seal.Keyring {
	t.Helper()
	var keys [][]byte
	for _, b := range append([]byte{first}, more...) {
		keys = append(keys, bytes.Repeat([]byte{b}, seal.KeyBytes))
	}
	k, err := seal.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealer(t *testing.T, k *seal.Keyring, purpose string) *seal.Sealer {
	t.Helper()
	s, err := k.For(purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	t.Parallel()
	plain := []byte("xoxp-canary")
	s := sealer(t, ring(t, 1), "rows")
	sealed := s.Seal("signins/a/b", plain)
	if len(sealed) != len(plain)+seal.Overhead {
		t.Errorf("%d bytes, want %d", len(sealed), len(plain)+seal.Overhead)
	}
	if bytes.Contains(sealed, plain) {
		t.Error("it can be read")
	}
	if got, err := s.Open("signins/a/b", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%q, %v", got, err)
	}
	if bytes.Equal(sealed, s.Seal("signins/a/b", plain)) {
		t.Error("the same twice")
	}
	refuse := func(name string, s *seal.Sealer, place string, sealed []byte) {
		t.Helper()
		if got, err := s.Open(place, sealed); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%s opens: %q, %v", name, got, err)
		}
	}
	refuse("at another place", s, "signins/a/c", sealed)
	refuse("for another purpose", sealer(t, ring(t, 1), "cookies"), "signins/a/b", sealed)
	refuse("with another key", sealer(t, ring(t, 2), "rows"), "signins/a/b", sealed)
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		refuse(fmt.Sprint("with another byte ", i), s, "signins/a/b", altered)
	}
	for i := range sealed {
		refuse("cut short", s, "signins/a/b", sealed[:i])
	}
	text := s.SealText("cookie", plain)
	if got, err := s.OpenText("cookie", text); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("text: %q, %v", got, err)
	}
	for _, bad := range []string{"", "*", text + "=", text + "\n", text[:len(text)-1]} {
		if _, err := s.OpenText("cookie", bad); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%q opens", bad)
		}
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	before, both, after := ring(t, 1), ring(t, 2, 1), ring(t, 2)
	old := sealer(t, before, "rows").Seal("k", []byte("v"))
	s := sealer(t, both, "rows")
	if _, err := s.Open("k", old); err != nil {
		t.Errorf("an older key of the ring does not open: %v", err)
	}
	if s.Fresh(old) || !s.Fresh(s.Seal("k", nil)) {
		t.Error("Fresh does not tell the newest key from another")
	}
	if _, err := sealer(t, after, "rows").Open("k", old); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a key that is gone opens: %v", err)
	}
	if both.IDs()[0] != after.IDs()[0] || both.IDs()[1] != before.IDs()[0] {
		t.Error("a key has another name in another ring")
	}
	key := bytes.Repeat([]byte{1}, seal.KeyBytes)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, before); strings.Contains(s, "1 1 1") || strings.Contains(s, "0x1, 0x1") || strings.Contains(s, string(key)) {
			t.Errorf("%s prints the key: %s", verb, s)
		}
	}
	for name, keys := range map[string][][]byte{
		"none": nil, "a short one": {key[1:]}, "one twice": {key, key}, "too many": make([][]byte, seal.MaxKeys+1),
	} {
		if _, err := seal.NewKeyring(keys...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := seal.NewKey(), seal.NewKey()
	good := write(t, "# newest first\n\n"+one+"\n  "+two+"  \n")
	k, err := seal.Load(good, t.TempDir())
	if err != nil || len(k.IDs()) != 2 {
		t.Fatalf("%v, %v", k, err)
	}
	if _, err := seal.Load(good, filepath.Join(t.TempDir(), "not", "there")); err != nil {
		t.Errorf("a data directory that is yet to be made: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(good), link); err != nil {
		t.Fatal(err)
	}
	open := write(t, one)
	if err := os.Chmod(filepath.Dir(open), 0o777); err != nil {
		t.Fatal(err)
	}
	readable := write(t, one)
	if err := os.Chmod(readable, 0o640); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, data, want string }{
		"not there":                     {filepath.Join(t.TempDir(), "none"), "", "no such file"},
		"a directory":                   {t.TempDir(), "", "no regular file"},
		"readable by the group":         {readable, "", "chmod 600"},
		"its directory is open":         {open, "", "chmod go-w"},
		"in the data directory":         {good, filepath.Dir(good), "data directory"},
		"in it by way of a link":        {good, link, "data directory"},
		"below the data directory":      {good, filepath.Dir(filepath.Dir(good)), "data directory"},
		"empty":                         {write(t, "# nothing\n"), "", "keys, not 0"},
		"no key":                        {write(t, "secret"), "", "line 1 is no key"},
		"a short key":                   {write(t, one+"\n"+base64.StdEncoding.EncodeToString([]byte("short"))), "", "line 2 is no key"},
		"a key twice":                   {write(t, one+"\n"+one), "", "twice"},
		"too long":                      {write(t, strings.Repeat("#\n", 10_000)), "", "more than"},
		"a sibling's name is no inside": {write(t, "x"), good + "-data", "line 1"},
	} {
		_, err := seal.Load(c.path, c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), one) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has a key: %v", name, err)
		}
	}
}
