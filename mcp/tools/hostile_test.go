package tools_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A hostile is a way to Slack on which every text of a reply is one of the corpus: what
// people may write anywhere, they have written everywhere. What only Slack itself
// writes stays as it is: ids, times, numbers, addresses of its own, cursors.
type hostile struct {
	mu sync.Mutex
	// armed makes it rewrite; until then it lets everything through.
	armed bool
	// refuse, when it is set, is what every call is answered with.
	refuse []byte
	// canned are replies of methods that the workspace does not give.
	canned map[string][]byte
	// long makes every text long and every list full.
	long bool
	next int
}

// RoundTrip asks the workspace and rewrites what it says.
func (h *hostile) RoundTrip(req *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || !h.armed || !strings.HasPrefix(req.URL.Path, "/api/") {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	switch canned := h.canned[path.Base(req.URL.Path)]; {
	case h.refuse != nil:
		body = h.refuse
	case canned != nil:
		body = canned
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the reply of %s: %w", req.URL.Path, err)
	}
	if h.refuse == nil {
		unread(v)
		if body, err = json.Marshal(h.plant(v, "")); err != nil {
			return nil, err
		}
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Del("Content-Length")
	return res, nil
}

// unread makes a conversation one in which something is unread, as any may be.
func unread(reply any) {
	object, _ := reply.(map[string]any)
	if channel, ok := object["channel"].(map[string]any); ok {
		channel["unread_count_display"] = 1
	}
}

// slackWords are the members whose values are Slack's own words, or ids that may be empty.
var slackWords = strings.Fields(`ok error warning warnings type subtype presence mode mimetype filetype encoding editable
	next_cursor cursor id user team team_id enterprise_id channel creator inviter ts thread_ts latest oldest latest_reply
	user_id bot_id app_id user_team source_team parent_user_id last_read url url_private url_private_download upload_url
	permalink permalink_public client_msg_id`)

// slackValue is a value that no user chooses: an id or a ts.
var slackValue = regexp.MustCompile(`^([A-Z][A-Z0-9]{6,20}|[0-9]+(\.[0-9]+)?)$`)

// plant puts the corpus into every text of a value, one after the other.
func (h *hostile) plant(v any, member string) any {
	switch v := v.(type) {
	case string:
		if slackValue.MatchString(v) || slices.Contains(slackWords, member) {
			return v
		}
		return v + h.text()
	case []any:
		if v = slices.Clone(v); h.long {
			for n := len(v); 0 < n && len(v) < longLists[member]; {
				v = append(v, v[len(v)%n])
			}
		}
		for i := range v {
			v[i] = h.plant(v[i], member)
		}
		return v
	case map[string]any:
		planted := make(map[string]any, len(v))
		for name, item := range v {
			item = h.plant(item, name)
			if member == "emoji" {
				name += h.text() // the one object of Slack's with members that people name
			}
			planted[name] = item
		}
		return planted
	}
	return v
}

// longLists are how many items the lists of a reply have where all is long.
var longLists = map[string]int{
	"messages": 200, "members": 200, "channels": 200, "users": 200, "usergroups": 200, "items": 100, "matches": 100, "bookmarks": 100,
	"scheduled_messages": 100, "sections": 500, "reactions": 23, "files": 10, "attachments": 20,
}

func (h *hostile) text() string {
	h.next++
	if h.long {
		return " " + strings.Repeat(corpus[h.next%len(corpus)], 10)
	}
	return " " + corpus[h.next%len(corpus)]
}

func (h *hostile) arm(refuse []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed, h.refuse = true, refuse
}
