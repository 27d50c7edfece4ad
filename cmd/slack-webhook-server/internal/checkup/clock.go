package checkup

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// How far the clock may be off. Slack's signatures are refused at five minutes.
const (
	clockWarning = time.Minute
	clockFailure = 5 * time.Minute
)

// dates carries requests to Slack and remembers what its answers say of the time. The
// zero value is ready to use.
type dates struct {
	mu    sync.Mutex
	base  *http.Transport
	known bool
	ahead time.Duration // of the local clock
	whose string
}

// RoundTrip makes the request.
func (d *dates) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.transport().RoundTrip(r)
	if err == nil {
		if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			d.heard("Slack", at)
		}
	}
	return response, err
}

func (d *dates) transport() *http.Transport {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.base == nil {
		d.base = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: Limit, MaxResponseHeaderBytes: 64 << 10}
	}
	return d.base
}

func (d *dates) close() { d.transport().CloseIdleConnections() }

// heard notes the first clock that was read; Slack is asked first.
func (d *dates) heard(whose string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known || at.IsZero() {
		return
	}
	d.known, d.whose, d.ahead = true, whose, time.Since(at.Add(500*time.Millisecond)) // a Date has whole seconds
}

// item compares the clocks.
func (d *dates) item() Item {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known {
		return Item{"clock", Warning, "not compared: nobody answered with the time", "mend the checks above first"}
	}
	off, way := d.ahead.Round(time.Second), "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	found := fmt.Sprintf("%s %s %s's", off, way, d.whose)
	remedy := "set this machine's clock by NTP: signatures whose time is off by TIMESTAMP_TOLERANCE are refused"
	switch {
	case off > clockFailure:
		return Item{"clock", Failed, found, remedy}
	case off > clockWarning:
		return Item{"clock", Warning, found, remedy}
	}
	return Item{Name: "clock", Status: OK, Found: found}
}
