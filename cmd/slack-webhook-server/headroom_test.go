package main

import "testing"

func TestPercentLeavesHeadroom(t *testing.T) {
	for _, tc := range []struct {
		live uint64
		want int
	}{
		{0, mostPercent},
		{1 << 20, mostPercent},
		{8 << 20, 150},
		{32 << 20, leastPercent},
		{1 << 30, leastPercent},
	} {
		if got := percentFor(tc.live); got != tc.want {
			t.Errorf("percentFor(%d) = %d, want %d", tc.live, got, tc.want)
		}
	}
}

func TestTheCollectorKeepsWithinTheContainer(t *testing.T) {
	for limit, want := range map[string]int64{"134217728\n": 107374180, "max\n": 0, "": 0, "-1": 0, "0": 0} {
		if got, ok := collectorLimit(limit); got != want && ok || ok != (want > 0) {
			t.Errorf("collectorLimit(%q) = %d, %v, want %d", limit, got, ok, want)
		}
	}
}
