package e2e_test

import (
	"os"
	"testing"
)

// TestBinaryIsSmall bounds the size of the shipped binary. It has 40.8 MiB since rules are executed by
// text/template (ADR 9); 48 MiB are allowed. The size jumps by
// ten MiB when a library calls methods by a name that it reads (ADR 1).
func TestBinaryIsSmall(t *testing.T) {
	t.Parallel()
	const most = 48 << 20
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB", float64(info.Size())/(1<<20))
	if info.Size() >= most {
		t.Errorf("the binary has %d bytes, want less than %d", info.Size(), most)
	}
}
