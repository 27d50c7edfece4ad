package sqlite

import (
	"encoding/binary"
	"math/bits"

	"slackmcp/store/internal/eventlog"
)

// A filter says of an id that it is not in a run, or that it may be: a Bloom filter
// whose bits for one id lie in one cache line. With 16 bits an id it is wrong about
// one strange id in some hundreds.
type filter [][8]uint64

const (
	bitsPerID = 16
	probes    = 6
	probeBits = 9 // 2^9 bits are a block
)

func newFilter(ids int) filter {
	return make(filter, max(1, (ids*bitsPerID+511)/512))
}

// split takes the block and the bits from different halves of the key, which is a hash.
func (f filter) split(key *eventlog.Key) (*[8]uint64, uint64) {
	i, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(len(f)))
	return &f[i], binary.BigEndian.Uint64(key[8:])
}

func (f filter) add(key *eventlog.Key) {
	block, h := f.split(key)
	for range probes {
		block[h&7] |= 1 << (h >> 3 & 63)
		h >>= probeBits
	}
}

func (f filter) has(key *eventlog.Key) bool {
	block, h := f.split(key)
	for range probes {
		if block[h&7]>>(h>>3&63)&1 == 0 {
			return false
		}
		h >>= probeBits
	}
	return true
}
