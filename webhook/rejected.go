package webhook

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/webhook/event"
)

// What is kept of refused requests: nothing, unless the source says so.
const (
	// RejectedHeaders keeps the names of headers and the lengths of their values.
	RejectedHeaders = "headers"
	// RejectedBody keeps the body as well, as far as it was read and can be shown.
	RejectedBody = "body"
)

// The bounds of what is kept. It is in memory and ends with the process.
const (
	maxRejected      = 50 // of a source; the oldest give way
	rejectedFor      = 24 * time.Hour
	maxRejectedNames = 64
	maxRejectedName  = 64
	maxRejectedBody  = 4 << 10
)

// A Rejected is a request of a source that was refused before it was verified, for an operator to look
// at. It holds no value of a header, and its body was never read as an event.
type Rejected struct {
	ID      string    `json:"id"`
	Source  string    `json:"source"`
	At      time.Time `json:"at"`
	Address string    `json:"address,omitempty"`
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
	Status  int       `json:"status"`
	// Expected are the places of the signature, and Came those of them at which there was something.
	Expected []string `json:"expected,omitempty"`
	Came     []string `json:"came,omitempty"`
	// Headers are the names of all that came, with the lengths of their values in bytes.
	Headers map[string]int `json:"headers,omitempty"`
	// Bytes is the body's length as far as it was read: of a request that its headers refuse nothing is.
	Bytes int `json:"bytes"`
	// Body is its beginning without what would let a reader act as another.
	Body string `json:"body,omitempty"`
}

// rejections are the newest refused requests, by source.
type rejections struct {
	mu   sync.Mutex
	list map[string][]Rejected
}

// reject keeps a refused request, if its source says so. Requests that are like one within the last
// minute are not kept: a flood drives out nothing.
func (rc *Receiver) reject(v *delivery) {
	ep := v.endpoint
	if ep == nil || ep.rejected == "" || v.Secret > 0 || v.Repeated || v.Status < http.StatusBadRequest {
		return
	}
	one := Rejected{
		ID: strings.ToLower(rand.Text()[:10]), Source: v.Source, At: rc.opt.Now().UTC(), Outcome: v.Outcome, Reason: v.Reason,
		Status: v.Status, Headers: map[string]int{}, Bytes: v.Bytes, Body: v.shown,
	}
	if v.Address.IsValid() {
		one.Address = v.Address.String()
	}
	one.Expected, one.Came = v.places()
	for name, values := range v.header {
		if len(one.Headers) < maxRejectedNames {
			one.Headers[strings.Clone(name[:min(len(name), maxRejectedName)])] = len(strings.Join(values, ", "))
		}
	}
	rc.rejections.mu.Lock()
	defer rc.rejections.mu.Unlock()
	if rc.rejections.list == nil {
		rc.rejections.list = map[string][]Rejected{}
	}
	list := append(rc.rejections.list[v.Source], one)
	rc.rejections.list[v.Source] = slices.Clone(list[max(0, len(list)-maxRejected):])
}

// show keeps of a body that no secret signed what may be shown of it, if the source says so. It is
// taken for no event: what cannot be read by its form alone is left out, and so is a long one. One that is not
// small is let go, because its memory is given back before it is answered.
func (v *delivery) show(body []byte) {
	if len(body) > smallBody {
		v.body = nil
	}
	if v.endpoint.rejected != RejectedBody || len(body) == 0 || len(body) > shortBody {
		return
	}
	enc, err := event.EncodingOf(body)
	if err != nil {
		return
	}
	if clean, err := event.Sanitize(body, enc); err == nil {
		v.shown = strings.ToValidUTF8(string(clean[:min(len(clean), maxRejectedBody)]), "\uFFFD")
	}
}

// Rejected lists the refused requests that are kept, the newest first. They are those of the last day
// of sources that still say so.
func (rc *Receiver) Rejected() []Rejected {
	since := rc.opt.Now().Add(-rejectedFor)
	endpoints := *rc.endpoints.Load()
	all := []Rejected{}
	rc.rejections.mu.Lock()
	defer rc.rejections.mu.Unlock()
	for source, list := range rc.rejections.list {
		list = slices.DeleteFunc(list, func(r Rejected) bool { return r.At.Before(since) })
		rc.rejections.list[source] = list
		if ep := endpoints[SourcePath+source]; ep != nil && ep.rejected != "" {
			all = append(all, list...)
		}
	}
	slices.SortStableFunc(all, func(a, b Rejected) int { return b.At.Compare(a.At) })
	return all
}
