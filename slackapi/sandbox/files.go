package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxFile   = 64 << 20 // that the sandbox takes
	maxFiles  = 2000     // that it keeps; the oldest go
	previewed = 500      // bytes of a text that its description shows
)

// A file is a description and contents.
type file struct {
	id, name, title, user string
	mediaType, kind       string
	created               int64
	data                  []byte
	size                  int               // of a file that was loaded without its bytes, which are zeros
	details               map[string]any    // further members of its description
	expects               int               // bytes that were announced
	shared                map[string]string // channel → ts of the message
	deleted               bool
	canvas                bool
	// settling is how often files.info still hides where an upload was shared: Slack looks for
	// malware before it posts the message.
	settling int
}

// fileTypes are Slack's names of what files are.
var fileTypes = map[string][2]string{
	".txt": {"text", "Plain Text"}, ".md": {"markdown", "Markdown (raw)"}, ".png": {"png", "PNG"}, ".jpg": {"jpg", "JPEG"},
	".jpeg": {"jpg", "JPEG"}, ".gif": {"gif", "GIF"}, ".pdf": {"pdf", "PDF"}, ".csv": {"csv", "CSV"}, ".json": {"json", "JSON"},
	".go": {"go", "Go"}, ".py": {"python", "Python"}, ".js": {"javascript", "JavaScript/JSON"}, ".html": {"html", "HTML"},
	".zip": {"zip", "Zip"}, ".log": {"text", "Plain Text"},
}

func (s *Sandbox) newFile(name, title, user string) *file {
	ext := strings.ToLower(filepath.Ext(name))
	media := mime.TypeByExtension(ext)
	if media == "" {
		media = "application/octet-stream"
	}
	media, _, _ = strings.Cut(media, ";")
	switch ext {
	case ".txt", ".log":
		media = "text/plain"
	case ".md":
		media = "text/markdown"
	}
	return &file{
		id: s.newID("F"), name: name, title: or(title, name), user: user, mediaType: media, kind: ext,
		created: time.Now().Unix(), shared: map[string]string{},
	}
}

// keepFile makes a file part of the workspace.
func (s *Sandbox) keepFile(f *file) {
	s.files[f.id] = f
	s.fileOrder = append(s.fileOrder, f.id)
	if len(s.fileOrder) > maxFiles {
		delete(s.files, s.fileOrder[0])
		s.fileOrder = s.fileOrder[1:]
	}
}

// fileView is a file as the API describes it.
func (s *Sandbox) fileView(f *file) object {
	if f.deleted {
		return object{"id": f.id, "mode": "tombstone"}
	}
	kind, pretty := "binary", "Binary"
	if t, ok := fileTypes[f.kind]; ok {
		kind, pretty = t[0], t[1]
	}
	mode := "hosted"
	if f.canvas {
		kind, pretty, mode = "quip", "Canvas", "quip"
	}
	path := s.team.id + "-" + f.id
	channels, groups, ims := []string{}, []string{}, []string{}
	open, closed := object{}, object{}
	for id, ts := range f.shared {
		ch, ok := s.channel(id)
		if !ok {
			continue
		}
		share := []object{{
			"reply_users": []string{}, "reply_users_count": 0, "reply_count": 0, "ts": ts, "channel_name": ch.name,
			"team_id": s.team.id, "share_user_id": f.user, "source": "UNKNOWN", "is_silent_share": false,
		}}
		switch ch.kind {
		case public:
			channels, open[id] = append(channels, id), share
		case private:
			groups, closed[id] = append(groups, id), share
		case direct, group:
			ims, closed[id] = append(ims, id), share
		}
	}
	shares := object{}
	if len(open) > 0 {
		shares["public"] = open
	}
	if len(closed) > 0 {
		shares["private"] = closed
	}
	for _, ids := range [][]string{channels, groups, ims} {
		slices.Sort(ids)
	}
	view := object{
		"id": f.id, "created": f.created, "timestamp": f.created, "name": f.name, "title": f.title, "mimetype": f.mediaType,
		"filetype": kind, "pretty_type": pretty, "user": f.user, "user_team": s.team.id, "editable": f.canvas, "size": f.length(),
		"mode": mode, "is_external": false, "external_type": "", "is_public": len(channels) > 0, "public_url_shared": false,
		"display_as_bot": false, "username": "", "url_private": s.base + "/files-pri/" + path + "/" + safeName(f.name),
		"url_private_download": s.base + "/files-pri/" + path + "/download/" + safeName(f.name),
		"permalink":            "https://" + s.team.domain + ".slack.com/files/" + f.user + "/" + f.id + "/" + safeName(f.name),
		"permalink_public":     "https://slack-files.com/" + path + "-" + digest(10, f.id), "comments_count": 0,
		"is_starred": false, "shares": shares, "channels": channels, "groups": groups, "ims": ims, "has_rich_preview": false,
		"file_access": "visible",
	}
	head := f.data[:min(len(f.data), previewed)]
	preview := strings.ToValidUTF8(string(head), "")
	if strings.HasPrefix(f.mediaType, "text/") && preview != "" && len(head)-len(preview) < utf8.UTFMax { // The last character may be cut.
		view["preview"], view["preview_is_truncated"] = preview, len(head) < len(f.data)
		view["lines"] = bytes.Count(f.data, []byte("\n")) + 1
	}
	maps.Copy(view, f.details)
	return view
}

// length is how many bytes the file has.
func (f *file) length() int { return max(len(f.data), f.size) }

// contents are the file's bytes.
func (f *file) contents() []byte {
	if f.data == nil {
		return make([]byte, f.size)
	}
	return f.data
}

// safeName is a file's name as Slack's URLs have it.
func safeName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
}

// seesFile reports whether a caller may read a file: its owner, and who is where it
// was shared.
func (s *Sandbox) seesFile(who actor, f *file) bool {
	if f.user == who.user.ID {
		return true
	}
	for id := range f.shared {
		if ch, ok := s.channel(id); ok && who.user.sees(ch) {
			return true
		}
	}
	return false
}

// theFile finds the file of a call.
func (c *call) theFile() (*file, error) {
	f := c.files[c.params["file"]]
	switch {
	case f == nil || !c.seesFile(c.who, f):
		return nil, fail("file_not_found")
	case f.deleted:
		return nil, fail("file_deleted")
	}
	return f, nil
}

func filesInfo(c *call) (object, error) {
	f, err := c.theFile()
	if err != nil {
		return nil, err
	}
	shown := c.fileView(f)
	if f.settling > 0 {
		f.settling--
		shown = unsettled(shown)
	}
	reply := object{"file": shown, "comments": []object{}, "response_metadata": object{"next_cursor": ""}}
	if strings.HasPrefix(f.mediaType, "text/") {
		reply["content"] = string(f.data)
	}
	return reply, nil
}

func filesList(c *call) (object, error) {
	limit, err := c.limit(100, 1000)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(or(c.params["page"], "1"))
	if err != nil || number < 1 {
		number = 1
	}
	types := c.list("types")
	from, to := c.seconds("ts_from", 0), c.seconds("ts_to", 1<<62)
	all := []object{}
	for _, id := range slices.Backward(c.fileOrder) {
		f := c.files[id]
		if f == nil || f.deleted || !c.seesFile(c.who, f) || f.created < from || f.created > to {
			continue
		}
		if u := c.params["user"]; u != "" && u != f.user {
			continue
		}
		if ch := c.params["channel"]; ch != "" && f.shared[ch] == "" {
			continue
		}
		if !ofTypes(f, types) {
			continue
		}
		all = append(all, c.fileView(f))
	}
	pages := (len(all) + limit - 1) / limit
	begin := min((number-1)*limit, len(all))
	return object{
		"files":  all[begin:min(begin+limit, len(all))],
		"paging": object{"count": limit, "total": len(all), "page": number, "pages": pages},
	}, nil
}

// coarse reports whether a file is of one of Slack's coarse types.
var coarse = map[string]func(*file) bool{
	"all":      func(*file) bool { return true },
	"images":   func(f *file) bool { return strings.HasPrefix(f.mediaType, "image/") },
	"pdfs":     func(f *file) bool { return f.mediaType == "application/pdf" },
	"zips":     func(f *file) bool { return f.kind == ".zip" },
	"spaces":   func(f *file) bool { return f.canvas },
	"canvas":   func(f *file) bool { return f.canvas },
	"canvases": func(f *file) bool { return f.canvas },
}

// ofTypes reports whether a file is of one of the types that a call names; none is all.
func ofTypes(f *file, types []string) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool { return coarse[t] != nil && coarse[t](f) })
}

func filesDelete(c *call) (object, error) {
	f, err := c.theFile()
	if err != nil {
		return nil, err
	}
	if f.user != c.who.user.ID {
		return nil, fail("cant_delete_file")
	}
	f.deleted, f.data, f.size = true, nil, 0
	c.emitAll("file_deleted", object{"type": "file_deleted", "file_id": f.id, "event_ts": c.newTS()})
	return nil, nil
}

func filesGetUploadURL(c *call) (object, error) {
	name, err := c.need("filename")
	if err != nil {
		return nil, err
	}
	length, err := strconv.Atoi(c.params["length"])
	switch {
	case err != nil || length <= 0:
		return nil, badArgument("expected a positive integer [json-pointer:/length]")
	case length > maxFile:
		return nil, fail("file_upload_size_restricted")
	}
	f := c.newFile(name, "", c.who.user.ID)
	f.expects = length
	secret := digest(40, f.id, "upload", c.opt.SigningSecret)
	c.uploads[secret] = f
	return object{"upload_url": c.base + "/upload/v1/" + secret, "file_id": f.id}, nil
}

// serveUpload takes a file's contents, as they are or as the first part of a form.
func (s *Sandbox) serveUpload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.uploads[r.PathValue("secret")]
	s.mu.Unlock()
	if f == nil {
		http.Error(w, "expired or unknown upload URL", http.StatusNotFound)
		return
	}
	if fault := s.takeFault("files.upload"); fault != nil && s.strike(fault, fault.AfterEffect, w, r) {
		return
	}
	data, err := contents(r)
	if err != nil || len(data) == 0 || len(data) > maxFile {
		http.Error(w, "no contents", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	f.data = data
	s.mu.Unlock()
	_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(data))) // the client may be gone
}

func contents(r *http.Request) ([]byte, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return io.ReadAll(io.LimitReader(r.Body, maxFile+1))
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := parts.NextPart()
		if err != nil {
			return nil, err
		}
		if part.FileName() != "" {
			return io.ReadAll(io.LimitReader(part, maxFile+1))
		}
	}
}

// unsettled is the view of a file that Slack has not posted yet.
func unsettled(view object) object {
	maps.Copy(view, object{"shares": object{}, "channels": []string{}, "groups": []string{}, "ims": []string{}})
	return view
}

// filesCompleteUpload gives finished uploads their titles, and shares them where the
// call says.
func filesCompleteUpload(c *call) (object, error) {
	done, titles, err := c.finished()
	if err != nil {
		return nil, err
	}
	targets := c.list("channels")
	if id := c.params["channel_id"]; id != "" {
		targets = append(targets, id)
	}
	channels, err := c.shareTargets(targets)
	if err != nil {
		return nil, err
	}
	d := draft{text: c.params["initial_comment"], threadTS: c.params["thread_ts"]}
	if d.blocks, err = c.array("blocks", "invalid_blocks_format"); err != nil {
		return nil, err
	}
	for i, f := range done {
		f.title = or(titles[i], f.title)
		d.files = append(d.files, f.id)
		c.admit(f)
	}
	if err := c.share(channels, done, d); err != nil {
		return nil, err
	}
	views := make([]object, len(done))
	for i, f := range done {
		views[i] = unsettled(c.fileView(f))
		views[i]["mimetype"], views[i]["filetype"], views[i]["pretty_type"] = "", "", "" // nor looked at
		f.settling = 1
	}
	return object{"files": views}, nil
}

// finished are the uploads that a call names, whose contents have come.
func (c *call) finished() (done []*file, titles []string, err error) {
	var list []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if err := json.Unmarshal([]byte(c.params["files"]), &list); err != nil || len(list) == 0 {
		return nil, nil, badArgument("missing required field: files")
	}
	for _, entry := range list {
		i := slices.IndexFunc(c.pending(), func(f *file) bool { return f.id == entry.ID && f.data != nil && f.user == c.who.user.ID })
		if i < 0 {
			return nil, nil, fail("file_not_found")
		}
		done, titles = append(done, c.pending()[i]), append(titles, entry.Title)
	}
	return done, titles, nil
}

// pending are the uploads under way, in a fixed order.
func (s *Sandbox) pending() []*file {
	return slices.SortedFunc(maps.Values(s.uploads), func(a, b *file) int { return strings.Compare(a.id, b.id) })
}

// admit makes an upload a file of the workspace.
func (s *Sandbox) admit(f *file) {
	maps.DeleteFunc(s.uploads, func(_ string, u *file) bool { return u == f })
	s.keepFile(f)
	s.emitAll("file_created", object{"type": "file_created", "file_id": f.id, "user_id": f.user, "file": object{"id": f.id}, "event_ts": s.newTS()})
}

// share posts files to channels.
func (c *call) share(channels []*channel, files []*file, d draft) error {
	for _, ch := range channels {
		m, err := c.post(ch, c.who, d)
		if err != nil {
			return err
		}
		for _, f := range files {
			f.shared[ch.id] = m.TS
		}
	}
	return nil
}

// shareTargets are the channels that a file goes to; all must take it.
func (c *call) shareTargets(ids []string) ([]*channel, error) {
	var channels []*channel
	for _, id := range ids {
		ch, ok := c.channel(id)
		switch {
		case !ok || !c.sees(ch):
			return nil, fail("channel_not_found")
		case ch.archived:
			return nil, fail("is_archived")
		case !ch.has(c.who.user.ID):
			return nil, fail("not_in_channel")
		case c.params["thread_ts"] != "" && ch.byTS[c.params["thread_ts"]] == nil:
			return nil, fail("thread_not_found")
		}
		channels = append(channels, ch)
	}
	return channels, nil
}

// serveFile gives a file's contents, or the part that is asked for, to a token that may read
// them. As Slack does, it answers another token with the sign-in page in place of the file, with status
// 200, and sends anybody else there.
func (s *Sandbox) serveFile(w http.ResponseWriter, r *http.Request) {
	if fault := s.takeFault("files.download"); fault != nil && s.strike(fault, fault.AfterEffect, w, r) {
		return
	}
	_, id, _ := strings.Cut(r.PathValue("file"), "-")
	s.mu.Lock()
	f := s.files[id]
	who, err := s.identify(bearer(r.Header, params{}), "")
	allowed := f != nil && err == nil && !f.deleted && who.has("files:read") && s.seesFile(who, f)
	var data []byte
	media := ""
	if allowed {
		data, media = f.contents(), f.mediaType
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		http.Redirect(w, r, "/?redir="+url.QueryEscape(r.URL.Path), http.StatusFound)
	case !allowed:
		serveSignIn(w, r)
	default:
		w.Header().Set("Content-Type", media)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// serveSignIn is the page where a request without a right to a file ends.
func serveSignIn(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to the sandbox</body></html>\n")
}
