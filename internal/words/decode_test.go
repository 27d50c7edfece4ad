package words

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeReadsAsJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"a":[1,-2.5e3,"x\n\u00e9",true,false,null,{"b":{}},[]],"c":"d"}`, `[]`, `"x"`, `12`, `null`, `{"a":1,"a":2}`,
		``, `{`, `[1,`, `{"a"}`, `{"a":}`, `nul`, `[1}`, strings.Repeat("[", 12_000),
	} {
		var want any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&want) != nil {
			want = nil
		}
		if got := decode([]byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%.40s is read as %.200v, want %.200v", text, got, want)
		}
	}
}

// TestDecodeIsBounded has texts of the smallest values: what is read of them takes little, and what
// follows them is not there.
func TestDecodeIsBounded(t *testing.T) {
	const n = 200_000
	for _, text := range []string{
		"[" + strings.Repeat(`{"a":[]},`, n) + `"end"]`, "[" + strings.Repeat("[],", n) + `"end"]`, `{"a":[` + strings.Repeat("1,", n) + `1],"end":1}`,
	} {
		var values func(v any) int
		values = func(v any) (n int) {
			switch v := v.(type) {
			case object:
				if _, ok := v["end"]; ok {
					t.Error("what follows is there")
				}
				for _, item := range v {
					n += values(item)
				}
			case []any:
				for _, item := range v {
					n += values(item)
				}
			}
			return n + 1
		}
		if got := values(decode([]byte(text))); got > maxDecoded+10 || got < maxDecoded-10 {
			t.Errorf("of %.20s %d values are read, want %d", text, got, maxDecoded)
		}
	}
}
