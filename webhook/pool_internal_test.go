package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// A poolRig reads bodies into a pool, and keeps those that are whole until leave is closed.
type poolRig struct {
	pool  *pool
	srv   *httptest.Server
	whole chan string // the names of the bodies that were read
	ended chan error  // why the others were not
	leave chan struct{}
}

func newPoolRig(t *testing.T, all, above int64) *poolRig {
	t.Helper()
	r := &poolRig{pool: newPool(all, above), whole: make(chan string, 100), ended: make(chan error, 100), leave: make(chan struct{})}
	r.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		d, err := r.pool.read(w, req, time.Now())
		defer d.release()
		if err != nil {
			r.ended <- fmt.Errorf("%s: %w", req.URL.Path, err)
			return
		}
		r.whole <- req.URL.Path
		<-r.leave
	}))
	t.Cleanup(func() {
		select {
		case <-r.leave:
		default:
			close(r.leave)
		}
		r.srv.Close()
		if n := r.pool.inUse(); n != 0 {
			t.Errorf("%d bytes are granted when all bodies are done", n)
		}
	})
	return r
}

// post begins a body of a length and sends the first of its bytes. It returns when the pool
// has granted the memory of one body more, unless it does not wait for that.
func (r *poolRig) post(t *testing.T, path string, length, send int, await bool) {
	t.Helper()
	before := r.pool.inUse()
	c, err := net.Dial("tcp", r.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, length, strings.Repeat("x", send)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); await && r.pool.inUse() == before; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s was granted no memory", path)
		}
	}
}

func (r *poolRig) awaitWhole(t *testing.T, path string) {
	t.Helper()
	select {
	case got := <-r.whole:
		if got != path {
			t.Fatalf("%s was whole, want %s", got, path)
		}
	case err := <-r.ended:
		t.Fatalf("%v, want %s whole", err, path)
	case <-time.After(10 * time.Second):
		t.Fatalf("%s was not whole within 10 s", path)
	}
}

func (r *poolRig) awaitEnd(t *testing.T, path string, want error) {
	t.Helper()
	select {
	case err := <-r.ended:
		if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), path+": ") {
			t.Fatalf("got %v, want %s: %v", err, path, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not end within 10 s", path)
	}
}

// one is what a body of at most smallPiece bytes takes of the pool while it is unfinished.
const one = smallPiece + requestBytes

func TestTheOldestUnfinishedBodyGivesWay(t *testing.T) {
	r := newPoolRig(t, 3*one, 3*one)
	for i := range 3 {
		r.post(t, fmt.Sprintf("/slow%d", i), smallPiece, 1, true)
	}
	r.post(t, "/quick", smallPiece, smallPiece, false)
	r.awaitEnd(t, "/slow0", errGaveWay)
	r.awaitWhole(t, "/quick")
	r.post(t, "/quicker", smallPiece, smallPiece, false)
	r.awaitEnd(t, "/slow1", errGaveWay)
	r.awaitWhole(t, "/quicker")
}

// TestMemoryIsGrantedAsBytesArrive begins bodies that would fill the pool many times over.
func TestMemoryIsGrantedAsBytesArrive(t *testing.T) {
	r := newPoolRig(t, 100*one, 100*one)
	for i := range 50 {
		r.post(t, fmt.Sprintf("/slow%d", i), smallBody, 1, true)
	}
	if got := r.pool.inUse(); got != 50*one {
		t.Errorf("%d bytes are granted to 50 bodies of which one byte came, want %d", got, 50*one)
	}
	r.post(t, "/quick", smallBody, smallBody, false)
	r.awaitWhole(t, "/quick")
}

// TestLongerBodiesLeaveMemoryToShortOnes fills what bodies above shortBody may have with whole
// ones, which do not give way.
func TestLongerBodiesLeaveMemoryToShortOnes(t *testing.T) {
	const longer = shortBody + 1
	r := newPoolRig(t, longer+requestBytes+one, longer+requestBytes)
	r.post(t, "/longer", longer, longer, false)
	r.awaitWhole(t, "/longer")
	r.post(t, "/another", longer, longer, false)
	r.post(t, "/short", smallPiece, smallPiece, false)
	r.awaitWhole(t, "/short")
	r.awaitEnd(t, "/another", errBusy)
}

// TestANewcomerWaitsForWholeBodies fills the pool with a body that is whole: a newcomer has its
// memory as soon as that is done.
func TestANewcomerWaitsForWholeBodies(t *testing.T) {
	r := newPoolRig(t, one, one)
	r.post(t, "/first", smallPiece, smallPiece, false)
	r.awaitWhole(t, "/first")
	r.post(t, "/second", smallPiece, smallPiece, false)
	close(r.leave)
	r.awaitWhole(t, "/second")
}

func TestASmallBodyHasTwoSeconds(t *testing.T) {
	r := newPoolRig(t, 2*one, 2*one)
	r.post(t, "/slow", smallPiece, 1, true)
	r.awaitEnd(t, "/slow", os.ErrDeadlineExceeded)
}

// TestWaitingBodiesGiveWay has a body that grows wait for memory that never comes free, and
// then a newcomer that needs its place.
func TestWaitingBodiesGiveWay(t *testing.T) {
	r := newPoolRig(t, 3*one, 3*one)
	r.post(t, "/whole", smallPiece, smallPiece, false)
	r.awaitWhole(t, "/whole")
	r.post(t, "/slow", shortBody, 1, true)
	r.post(t, "/growing", shortBody, smallPiece, false) // takes all that is left, and needs more
	r.awaitEnd(t, "/slow", errGaveWay)
	r.post(t, "/quick", smallPiece, smallPiece, false)
	r.awaitEnd(t, "/growing", errGaveWay)
	r.awaitWhole(t, "/quick")
}

// TestAPoolUnderLoad has many more bodies than there is memory for, in all stages.
func TestAPoolUnderLoad(t *testing.T) {
	r := newPoolRig(t, 20*one, 15*one)
	close(r.leave)
	for i := range 40 {
		r.post(t, "/x", 1+i*1000, 1+i*500*(i%2+1), false)
	}
	for range 40 {
		select {
		case <-r.whole:
		case <-r.ended: //nolint:errcheck // either end will do
		case <-time.After(20 * time.Second):
			t.Fatal("a body neither was whole nor ended")
		}
	}
}
