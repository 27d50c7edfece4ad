package tools_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi/sandbox"
)

type fileRead struct {
	Contents struct {
		Encoding, Text, Charset string
		TotalChars              int `json:"total_chars"`
	} `json:"contents"`
	Note   string `json:"note"`
	ReadAs string `json:"read_as"`
}

// TestReadFileInItsEncoding reads texts as they are stored, and what only looks like one not at all.
func TestReadFileInItsEncoding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []struct{ data, text, charset, encoding string }{
		{"grüße", "grüße", "", "text"},
		{"\xef\xbb\xbfgrüße", "grüße", "", "text"},
		{"\xff\xfeg\x00r\x00\xfc\x00\xac\x20", "grü€", "utf-16le", "text"},
		{"\xfe\xff\x00g\x00r\x00\xfc\x20\xac", "grü€", "utf-16be", "text"},
		{"gr\xfc\xdfe \x80 \x84so\x93", "grüße € „so“", "windows-1252", "text"},
		{"bytes \x81\x8d", "", "", "none"},
		{"\x00\x01\x02\x03", "", "", "none"},
		{strings.Repeat("x", 5000) + "gr\xfc\xdfe", strings.Repeat("x", 5000) + "grüße", "windows-1252", "text"},
	} {
		var got fileRead
		r.call("slack_read_file", a{"file_id": r.uploaded("a.csv", []byte(c.data))}, &got)
		if got.Contents.Text != c.text || got.Contents.Charset != c.charset || got.Contents.Encoding != c.encoding {
			t.Errorf("%q is read as %+v, want %q %q %s", c.data, got, c.text, c.charset, c.encoding)
		}
	}
}

// TestReadFileRefusesASignInPage: Slack answers 200 with a page where the token may not read a file.
func TestReadFileRefusesASignInPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, data := range map[string]string{"a.txt": "hello", "a.html": "<!doctype html><p>ours</p>", "a.png": "\x89PNG\r\n\x1a\n", "a.pdf": "%PDF-1.7"} {
		id := r.uploaded(name, []byte(data))
		if err := r.slack.Inject(sandbox.Fault{Method: "files.download", Status: http.StatusOK, Times: -1}); err != nil {
			t.Fatal(err)
		}
		r.refuses("slack_read_file", a{"file_id": id}, "sign_in_required: ")
		r.slack.ClearFaults()
	}
	var got fileRead
	r.call("slack_read_file", a{"file_id": r.uploaded("b.html", []byte("<!doctype html><p>ours</p>"))}, &got)
	if got.Contents.Text != "<!doctype html><p>ours</p>" {
		t.Errorf("a page that is the file itself is read as %+v", got)
	}
}

const kept = `{
 "people": [{"id": "U0ADA000001", "name": "ada"}],
 "app": {"name": "Helper"},
 "channels": [{"id": "C0DOCK00001", "name": "dock", "members": ["ada", "helper"], "messages": [
  {"ts": "1750000100.000000", "user": "ada", "files": [
   {"id": "F0PDFTEXT01", "name": "plan.pdf", "mimetype": "application/pdf", "content": "%PDF-1.7 x", "details": {"plain_text": "the plan"}},
   {"id": "F0PDFBLOB01", "name": "sketch.pdf", "mimetype": "application/pdf", "content": "%PDF-1.7 sketch", "pinned_by": "ada"},
   {"id": "F0SHEET0001", "name": "sum.xlsx", "mimetype": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "base64": "UEsDBBQ="},
   {"id": "F0LARGE0001", "name": "big.pdf", "mimetype": "application/pdf", "size": 4000000},
   {"id": "F0CLIP00001", "name": "clip.mp4", "mimetype": "video/mp4", "size": 9000000, "details": {"transcription": {"status": "complete", "preview": {"content": "we ship on Friday", "has_more": true}}}},
   {"id": "F0ZIP000001", "name": "a.zip", "mimetype": "application/zip", "base64": "UEsDBBQ="},
   {"id": "F0MAIL00001", "name": "mail", "mimetype": "text/html", "content": "<html>x</html>", "details": {"mode": "email", "subject": "Hello", "plain_text": "dear all"}}
  ]},
  {"ts": "1750000200.000000", "user": "ada", "text": "read me", "pinned_by": "ada"}
 ]}]
}`

// TestReadDocuments hands a document over as what Slack read out of it or, within a bound, whole.
func TestReadDocuments(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, kept))
	for _, c := range []struct{ id, encoding, text, note, blob, kind string }{
		{id: "F0PDFTEXT01", encoding: "text", text: "the plan", note: "Slack read out"},
		{id: "F0PDFBLOB01", encoding: "document", blob: "%PDF-1.7 sketch", kind: "application/pdf"},
		{id: "F0SHEET0001", encoding: "document", blob: "PK\x03\x04\x14", kind: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{id: "F0LARGE0001", encoding: "none", note: "larger than 3 MB"},
		{id: "F0CLIP00001", encoding: "text", text: "we ship on Friday …", note: "beginning"},
		{id: "F0ZIP000001", encoding: "none", note: "neither"},
		{id: "F0MAIL00001", encoding: "text", text: "Subject: Hello\ndear all"},
	} {
		tool := r.tools["slack_read_file"]
		raw, err := json.Marshal(a{"file_id": c.id})
		if err != nil {
			t.Fatal(err)
		}
		res, err := tool.Run(access.With(t.Context(), tester), &toolset.Call{Tool: tool.Name, Principal: tester}, raw)
		if err != nil {
			t.Fatalf("%s: %s", c.id, toolsFault(err))
		}
		r.validate(&tool, res.Structured)
		var got fileRead
		if err := json.Unmarshal(res.Structured, &got); err != nil {
			t.Fatal(err)
		}
		if got.Contents.Encoding != c.encoding || got.Contents.Text != c.text || !strings.Contains(got.Note, c.note) {
			t.Errorf("%s is read as %+v, want %+v", c.id, got, c)
		}
		blob, kind := "", ""
		for _, m := range res.Media {
			blob, kind = string(m.Data), m.MIMEType
			if m.URI != "slack://files/"+c.id {
				t.Errorf("%s has the URI %s", c.id, m.URI)
			}
		}
		if blob != c.blob || kind != c.kind {
			t.Errorf("%s is handed over as %s %q", c.id, kind, blob)
		}
	}
}

// ranges notes the ranges that are asked for.
type ranges struct {
	mu   sync.Mutex
	seen []string
}

func (w *ranges) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "/files-pri/") {
		w.mu.Lock()
		w.seen = append(w.seen, req.Header.Get("Range"))
		w.mu.Unlock()
	}
	return http.DefaultTransport.RoundTrip(req)
}

// TestReadFileAsksForTheFirstBytes: what is not shown is not fetched, and of a text that is too long
// its beginning is.
func TestReadFileAsksForTheFirstBytes(t *testing.T) {
	t.Parallel()
	w := &ranges{}
	r := newRig(t, workspace(t, kept), func(o *rigOptions) { o.client.Transport = w })
	r.call("slack_read_file", a{"file_id": "F0LARGE0001"}, nil)
	id := r.uploaded("long.log", []byte(strings.Repeat("0123456789abcde\n", 6<<20/16)))
	var got fileRead
	r.call("slack_read_file", a{"file_id": id, "limit": 10}, &got)
	if got.Contents.Text != "0123456789" || got.Contents.TotalChars != 5<<20 || !strings.Contains(got.Note, "first 5 MB") {
		t.Errorf("read %+v", got)
	}
	for _, asked := range w.seen {
		if asked != "bytes=0-4095" && asked != "bytes=0-5242879" {
			t.Errorf("asked for %q", asked)
		}
	}
	if len(w.seen) != 3 {
		t.Errorf("asked for %q", w.seen)
	}
}

// TestPinnedFilesAreListed: an older channel pins files in place of messages.
func TestPinnedFilesAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, kept))
	var pins struct {
		Pins []struct {
			Message *message
			File    *struct{ ID, Name string }
		}
	}
	r.call("slack_list_pins", a{"channel": "#dock"}, &pins)
	if len(pins.Pins) != 2 || pins.Pins[0].Message == nil || pins.Pins[0].File != nil || pins.Pins[0].Message.Text != "read me" {
		t.Fatalf("pins %+v", pins)
	}
	if p := pins.Pins[1]; p.Message != nil || p.File == nil || p.File.ID != "F0PDFBLOB01" || p.File.Name != "sketch.pdf" {
		t.Errorf("the pinned file is %+v", p)
	}
}
