package webhook

import (
	"encoding/json"
	"net/http"
)

// A reply is what an outcome answers. This is the one place where an outcome becomes
// a status.
type reply struct {
	status int
	// body is JSON; nil sends no body.
	body []byte
}

var replies = map[Outcome]reply{
	Accepted:       {http.StatusOK, []byte(`{"status":"ok"}`)},
	Duplicate:      {http.StatusOK, []byte(`{"status":"ok"}`)},
	Challenge:      {http.StatusOK, nil}, // the body is made for each
	SSLCheck:       {http.StatusOK, nil},
	Unregistered:   {http.StatusNotFound, []byte(`{"error":"unregistered endpoint"}`)},
	WrongMethod:    {http.StatusMethodNotAllowed, []byte(`{"error":"method not allowed","detail":"use POST"}`)},
	BadSignature:   {http.StatusUnauthorized, []byte(invalidSignature)},
	Stale:          {http.StatusUnauthorized, []byte(invalidSignature)},
	WrongMediaType: {http.StatusUnsupportedMediaType, []byte(`{"error":"unsupported media type","detail":"send application/json or application/x-www-form-urlencoded, not compressed"}`)},
	TooLarge:       {http.StatusRequestEntityTooLarge, []byte(`{"error":"body too large"}`)},
	IllFormed:      {http.StatusBadRequest, []byte(`{"error":"ill-formed body"}`)},
	Invalid:        {http.StatusUnprocessableEntity, []byte(`{"error":"invalid body"}`)},
	Timeout:        {http.StatusRequestTimeout, []byte(`{"error":"body did not arrive in time"}`)},
	Aborted:        {http.StatusBadRequest, []byte(`{"error":"body is incomplete"}`)},
	Limited:        {http.StatusTooManyRequests, []byte(`{"error":"too many unverified requests","detail":"this address kept failing verification; try again in a minute"}`)},
	Busy:           {http.StatusServiceUnavailable, []byte(`{"error":"busy","detail":"too much in flight; send it again"}`)},
	Full:           {http.StatusServiceUnavailable, []byte(`{"error":"queue is full","detail":"send it again later"}`)},
	Unavailable:    {http.StatusServiceUnavailable, []byte(`{"error":"queue is unavailable","detail":"send it again"}`)},
}

// invalidSignature says the same whatever was wrong, so that nobody learns by trying.
// The detail is the sentence of the original's answer.
const invalidSignature = `{"error":"invalid signature","detail":"Invalid request signature"}`

// Header values that all answers share. Nobody writes to them.
var (
	jsonType   = []string{"application/json"}
	retryAfter = []string{"5"} // seconds
	aMinute    = []string{"60"}
	closing    = []string{"close"}
	allowPost  = []string{http.MethodPost}
	noSniff    = []string{"nosniff"}
)

// respond writes the answer to an outcome and returns its status. body, unless it is nil,
// takes the place of the outcome's own.
func respond(w http.ResponseWriter, o Outcome, body []byte) (status int) {
	re := replies[o]
	if body == nil {
		body = re.body
	}
	h := w.Header()
	switch re.status {
	case http.StatusServiceUnavailable:
		h["Retry-After"] = retryAfter
	case http.StatusTooManyRequests:
		h["Retry-After"], h["Connection"] = aMinute, closing
	case http.StatusMethodNotAllowed:
		h["Allow"] = allowPost
	}
	if len(body) > 0 {
		h["Content-Type"] = jsonType
		h["X-Content-Type-Options"] = noSniff
	}
	w.WriteHeader(re.status)
	if len(body) > 0 {
		_, _ = w.Write(body) // the sender may be gone; there is nobody to tell
	}
	return re.status
}

// problem returns an error's body with a detail that only this request has.
func problem(title, detail string) []byte {
	b, err := json.Marshal(struct {
		Error  string `json:"error"`
		Detail string `json:"detail"`
	}{title, detail})
	if err != nil {
		return nil // two strings can always be written; the table's body would do
	}
	return b
}
