package sandbox

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const maxParamBytes = 4 << 20

// A params holds a call's arguments by name, each as the text that a form would hold:
// an object or an array of a JSON body is its JSON.
type params map[string]string

// readParams reads the arguments of a request from its query and its body, which the
// caller has bounded, and says what Slack would warn about.
func readParams(r *http.Request) (p params, warnings []string, err error) {
	p = params{}
	p.addValues(r.URL.Query())
	if r.Method == http.MethodGet || r.Body == nil {
		return p, nil, nil
	}
	mediaType, attrs, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.ContentLength != 0 {
		return nil, nil, fail("missing_post_type")
	}
	switch mediaType {
	case "application/json":
		if attrs["charset"] == "" {
			warnings = append(warnings, "missing_charset")
		}
		err = p.addJSON(r.Body)
	case "multipart/form-data":
		err = p.addMultipart(r)
	case "application/x-www-form-urlencoded", "":
		if attrs["charset"] != "" {
			warnings = append(warnings, "superfluous_charset")
		}
		err = p.addForm(r.Body)
	default:
		err = fail("invalid_post_type")
	}
	return p, warnings, err
}

func (p params) addValues(v url.Values) {
	for key, all := range v {
		p[strings.TrimSuffix(key, "[]")] = strings.Join(all, ",")
	}
}

func (p params) addForm(body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return fail("request_timeout")
	}
	v, err := url.ParseQuery(string(data))
	if err != nil {
		return fail("invalid_form_data")
	}
	p.addValues(v)
	return nil
}

func (p params) addMultipart(r *http.Request) error {
	if err := r.ParseMultipartForm(maxParamBytes); err != nil { //nolint:gosec // serveAPI bounds the body
		return fail("invalid_form_data")
	}
	p.addValues(r.MultipartForm.Value)
	return nil
}

func (p params) addJSON(body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return fail("request_timeout")
	}
	if len(data) == 0 {
		return nil
	}
	if !json.Valid(data) {
		return fail("invalid_json")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fail("json_not_object")
	}
	for key, raw := range fields {
		var text string
		switch {
		case string(raw) == "null":
		case json.Unmarshal(raw, &text) == nil:
			p[key] = text
		default:
			p[key] = string(raw)
		}
	}
	return nil
}

// need returns an argument that must be there.
func (p params) need(name string) (string, error) {
	if v := p[name]; v != "" {
		return v, nil
	}
	return "", badArgument("missing required field: " + name)
}

// truth reads a switch as Slack does: 1, true, and the absent one's default.
func (p params) truth(name string, otherwise bool) bool {
	switch p[name] {
	case "":
		return otherwise
	case "1", "true", "True":
		return true
	default:
		return false
	}
}

// limit reads the size of a page.
func (p params) limit(otherwise, most int) (int, error) {
	text := p["limit"]
	if text == "" {
		text = p["count"]
	}
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, badArgument("expected an integer [json-pointer:/limit]")
	case n <= 0:
		return otherwise, nil
	}
	return min(n, most), nil
}

// list reads names that are separated by commas, or a JSON array of them.
func (p params) list(name string) []string {
	text := strings.TrimSpace(p[name])
	var all []string
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &all) == nil {
		return all
	}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// array reads an argument that is a JSON array, such as blocks; it may be absent.
func (p params) array(name, code string) (json.RawMessage, error) {
	text := p[name]
	if text == "" {
		return nil, nil
	}
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fail(code)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return json.RawMessage(text), nil
}
