package sandbox

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

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
		views[i] = c.fileView(f)
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

// serveFile gives a file's contents to a token that may read them; anybody else is
// sent to the sign-in page, as Slack does.
func (s *Sandbox) serveFile(w http.ResponseWriter, r *http.Request) {
	if fault := s.takeFault("files.download"); fault != nil && s.strike(fault, fault.AfterEffect, w, r) {
		return
	}
	_, id, _ := strings.Cut(r.PathValue("file"), "-")
	s.mu.Lock()
	f := s.files[id]
	who, err := s.identify(r.Header, params{})
	allowed := f != nil && err == nil && !f.deleted && who.has("files:read") && s.seesFile(who, f)
	var data []byte
	media := ""
	if allowed {
		data, media = f.data, f.mediaType
	}
	s.mu.Unlock()
	if !allowed {
		http.Redirect(w, r, "/?redir="+url.QueryEscape(r.URL.Path), http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // the client may be gone
}

// serveSignIn is the page where a request without a right to a file ends.
func serveSignIn(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to the sandbox</body></html>\n")
}
