package e2e_test

import (
	"os"
	"testing"
)

// TestBinaryIsSmall holds the size of the shipped binary. 40 MiB are promised; it jumps by
// ten when something calls methods by a name that it reads (ADR 1).
func TestBinaryIsSmall(t *testing.T) {
	t.Parallel()
	const most = 32 << 20
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB", float64(info.Size())/(1<<20))
	if info.Size() >= most {
		t.Errorf("the binary has %d bytes, want less than %d", info.Size(), most)
	}
}
