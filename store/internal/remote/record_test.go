package remote_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/store/internal/remote"
	"slackmcp/webhook/event"
)

// full returns an event in which every field differs from its zero value, so that a
// field that is added to Event and forgotten here fails TestRoundTrip.
func full(t *testing.T) event.Event {
	t.Helper()
	var e event.Event
	n := 0
	fill(t, reflect.ValueOf(&e).Elem(), &n)
	e.Position = ""
	return e
}

func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch kind := v.Kind(); {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1_800_000_000+int64(*n), int64(*n)).UTC()))
	case v.Type() == reflect.TypeFor[[]byte]():
		v.SetBytes([]byte{0, 1, 0xff, '{'})
	case kind == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case kind == reflect.String:
		v.SetString(strings.Repeat("é", *n))
	case kind == reflect.Bool:
		v.SetBool(true)
	case kind == reflect.Int:
		v.SetInt(int64(*n))
	case kind == reflect.Uint8:
		v.SetUint(1)
	default:
		t.Fatalf("field of kind %v: teach this test and the record about it", kind)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]event.Event{
		"every field":  full(t),
		"nothing":      {},
		"an empty raw": {Source: "slack", ID: "Ev1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := remote.DecodeRecord(remote.AppendRecord(nil, &e))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Raw) == 0 {
				got.Raw = e.Raw
			}
			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("Decode(Append) differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	e := full(t)
	whole := remote.AppendRecord(nil, &e)
	t.Run("a record of a later version", func(t *testing.T) {
		t.Parallel()
		later := append([]byte{9}, whole[1:]...)
		if _, err := remote.DecodeRecord(later); err == nil || !strings.Contains(err.Error(), "version 9") {
			t.Errorf("Decode = %v, want an error that names version 9", err)
		}
	})
	t.Run("a record that is cut off before its body", func(t *testing.T) {
		t.Parallel()
		for n := range len(whole) - len(e.Raw) {
			if _, err := remote.DecodeRecord(whole[:n:n]); err == nil {
				t.Fatalf("Decode of the first %d of %d bytes: no error", n, len(whole))
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(remote.AppendRecord(nil, &event.Event{Source: "slack", ID: "Ev1", Raw: []byte(`{}`), ReceivedAt: time.Unix(1, 2)}))
	f.Add([]byte{1, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := remote.DecodeRecord(b)
		if err != nil {
			return
		}
		again, err := remote.DecodeRecord(remote.AppendRecord(nil, &e))
		if err != nil {
			t.Fatalf("what Decode accepted does not survive Append: %v", err)
		}
		if !bytes.Equal(again.Raw, e.Raw) || again.ID != e.ID || !again.ReceivedAt.Equal(e.ReceivedAt) {
			t.Errorf("second reading differs: %+v, want %+v", again, e)
		}
	})
}
