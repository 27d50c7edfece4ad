package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A tokenKind is whose token may call a method.
type tokenKind uint8

const (
	botToken tokenKind = 1 << iota
	userToken
	appToken
	noToken  // the app's client id and secret stand in its place
	anyToken = botToken | userToken
)

// An endpoint is one row of the table of methods.
type endpoint struct {
	scope string // that is needed at once; others depend on the conversation
	kinds tokenKind
	tier  int // calls a minute
	// inTeam says that a token of an organization has to name a workspace of it.
	inTeam bool
	run    func(*call) (object, error)
}

// A call is one request to the Web API, while the workspace is locked.
type call struct {
	*Sandbox
	params
	who    actor
	header http.Header
	token  string
}

// An actor is who a token is.
type actor struct {
	kind   tokenKind
	user   *user
	scopes []string
	app    bool // it calls the API, for the app; a person who types does not
}

func (a actor) bot() bool { return a.kind == botToken }

func (a actor) has(scope string) bool {
	return scope == "" || slices.Contains(a.scopes, scope)
}

// serveAPI answers /api/<method>.
func (s *Sandbox) serveAPI(w http.ResponseWriter, r *http.Request) {
	s.sawHost(r)
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	r.Body = http.MaxBytesReader(w, r.Body, maxParamBytes)
	p, warnings, err := readParams(r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Slack-Req-Id", digest(32, method, r.Header.Get("Date"), strconv.FormatUint(s.nextSerial(), 36)))
	fault := s.takeFault(method)
	if fault != nil && s.strike(fault, false, w, r) {
		return
	}
	seen, token := seenCall{at: time.Now(), method: method, args: seenArgs(p)}, bearer(r.Header, p)
	var reply object
	if err == nil {
		reply, err = s.answer(r.Context(), method, p, r.Header, w.Header())
	}
	if fault != nil && s.strike(fault, true, w, r) {
		return
	}
	out := &recorder{ResponseWriter: w}
	write(out, method, reply, warnings, err)
	if f := (*failure)(nil); errors.As(err, &f) {
		seen.problem = f.code
	}
	s.called(seen, token, out)
}

func write(w http.ResponseWriter, method string, reply object, warnings []string, err error) {
	out := object{"ok": true}
	maps.Copy(out, reply)
	if f := (*failure)(nil); errors.As(err, &f) {
		out = object{"ok": false, "error": f.code}
		maps.Copy(out, f.extra)
		if f.code == "ratelimited" {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	if len(warnings) > 0 {
		out["warning"] = strings.Join(warnings, ",")
		meta, _ := out["response_metadata"].(object)
		if meta == nil {
			meta = object{}
		}
		meta["warnings"] = warnings
		out["response_metadata"] = meta
	}
	// The answer is made of maps, structs and checked JSON; a client that has gone is
	// all that can fail here.
	_ = json.NewEncoder(w).Encode(out)
}

// answer runs a method with the workspace locked.
func (s *Sandbox) answer(_ context.Context, method string, p params, in, out http.Header) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due()
	e, known := endpoints[method]
	if !known {
		return nil, failWith("unknown_method", object{"req_method": method})
	}
	if e.kinds == noToken {
		p.addBasic(in)
		if err := s.withinRate(method, e, p, out); err != nil {
			return nil, err
		}
		return e.run(&call{Sandbox: s, params: p, header: out})
	}
	token := bearer(in, p)
	who, err := s.identify(token, method)
	if err != nil {
		return nil, err
	}
	who.app = true
	delete(p, "token")
	out.Set("X-OAuth-Scopes", strings.Join(who.scopes, ","))
	if e.scope != "" {
		out.Set("X-Accepted-OAuth-Scopes", e.scope)
	}
	if who.kind&e.kinds == 0 {
		return nil, fail("not_allowed_token_type")
	}
	if err := s.withinRate(method, e, p, out); err != nil {
		return nil, err
	}
	if !who.has(e.scope) {
		return nil, missingScope(e.scope, strings.Join(who.scopes, ","))
	}
	if team := p["team_id"]; e.inTeam && s.opt.Organization != "" && team != s.team.id {
		if team == "" {
			return nil, fail("missing_argument")
		}
		return nil, fail("team_access_not_granted")
	}
	return e.run(&call{Sandbox: s, params: p, who: who, header: out, token: token})
}

// identify finds who calls a method with a token.
func (s *Sandbox) identify(token, method string) (actor, error) {
	switch {
	case token == "":
		return actor{}, fail("not_authed")
	case s.revoked[token]:
		return actor{}, fail("token_revoked")
	case s.uninstalled && !strings.HasPrefix(token, "xapp-"):
		return actor{}, fail("account_inactive")
	case strings.HasPrefix(token, grantPrefix), strings.HasPrefix(token, rotatingPfx):
		return s.granted(token)
	case strings.HasPrefix(token, refreshPfx):
		return s.refreshBearer(token, method)
	case strings.HasPrefix(token, "xoxb-sandbox-"):
		return actor{kind: botToken, user: s.users.byID[s.app.botUser], scopes: s.botScopes()}, nil
	case strings.HasPrefix(token, "xapp-sandbox-"):
		return actor{kind: appToken, user: s.users.byID[s.app.botUser], scopes: []string{"connections:write"}}, nil
	case strings.HasPrefix(token, "xoxp-sandbox-"):
		u, found := s.user(strings.TrimPrefix(token, "xoxp-sandbox-"))
		if !found {
			u = s.users.byID[s.app.installer]
		}
		if u.Deleted {
			return actor{}, fail("account_inactive")
		}
		return actor{kind: userToken, user: u, scopes: s.userScopes()}, nil
	case strings.HasPrefix(token, "xox"), strings.HasPrefix(token, "xapp-"):
		return actor{}, failWith("invalid_auth", object{"response_metadata": object{
			"messages": []string{"[ERROR] this is a sandbox: it takes only tokens that begin with xoxb-sandbox-, xoxp-sandbox- or xapp-sandbox-; keep real ones out of it"},
		}})
	}
	return actor{}, fail("invalid_auth")
}

func (s *Sandbox) botScopes() []string {
	if s.opt.BotScopes != nil {
		return s.opt.BotScopes
	}
	return allBotScopes
}

func (s *Sandbox) userScopes() []string {
	if s.opt.UserScopes != nil {
		return s.opt.UserScopes
	}
	return allUserScopes
}

// sawHost notes the host by which the sandbox is reached, when no base URL was set.
func (s *Sandbox) sawHost(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opt.BaseURL == "" && r.Host != "" {
		s.base = "http://" + r.Host
	}
}

func (s *Sandbox) nextSerial() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return s.serial
}

var allBotScopes = []string{
	"app_mentions:read", "assistant:write", "bookmarks:read", "bookmarks:write", "canvases:read", "canvases:write",
	"channels:history", "channels:join", "channels:manage", "channels:read", "chat:write", "chat:write.customize",
	"commands", "emoji:read", "files:read", "files:write", "groups:history", "groups:read", "groups:write",
	"im:history", "im:read", "im:write", "mpim:history", "mpim:read", "mpim:write", "pins:read", "pins:write",
	"reactions:read", "reactions:write", "search:read.public", "team:read", "usergroups:read", "users.profile:read",
	"users:read", "users:read.email",
}

var allUserScopes = []string{
	"bookmarks:read", "bookmarks:write", "canvases:read", "canvases:write", "channels:history", "channels:read", "channels:write",
	"chat:write", "emoji:read", "files:read", "files:write", "groups:history", "groups:read", "groups:write",
	"im:history", "im:read", "im:write", "mpim:history", "mpim:read", "mpim:write", "pins:read", "pins:write",
	"reactions:read", "reactions:write", "search:read", "search:read.public", "team:read", "usergroups:read",
	"users.profile:read", "users:read", "users:read.email",
}

// endpoints is the Web API that the sandbox serves. A tier is Slack's calls a minute.
var endpoints = map[string]endpoint{
	"api.test":        {kinds: anyToken | appToken, tier: 100, run: apiTest},
	"auth.revoke":     {kinds: anyToken, tier: 50, run: authRevoke},
	"auth.test":       {kinds: anyToken, tier: 300, run: authTest},
	"auth.teams.list": {kinds: anyToken, tier: 20, run: authTeamsList},
	"bots.info":       {scope: "users:read", kinds: anyToken, tier: 50, run: botsInfo},
	"team.info":       {scope: "team:read", kinds: anyToken, tier: 50, run: teamInfo},
	"emoji.list":      {scope: "emoji:read", kinds: anyToken, tier: 20, run: emojiList},

	"oauth.v2.access": {kinds: noToken, tier: 300, run: oauthAccess},

	"apps.connections.open": {scope: "connections:write", kinds: appToken, tier: 20, run: appsConnectionsOpen},

	"chat.postMessage":            {scope: "chat:write", kinds: anyToken, tier: 60, run: postMessage},
	"chat.postEphemeral":          {scope: "chat:write", kinds: anyToken, tier: 100, run: chatPostEphemeral},
	"chat.meMessage":              {scope: "chat:write", kinds: anyToken, tier: 50, run: chatMeMessage},
	"chat.update":                 {scope: "chat:write", kinds: anyToken, tier: 50, run: chatUpdate},
	"chat.delete":                 {scope: "chat:write", kinds: anyToken, tier: 50, run: chatDelete},
	"chat.getPermalink":           {kinds: anyToken, tier: 300, run: chatGetPermalink},
	"chat.scheduleMessage":        {scope: "chat:write", kinds: anyToken, tier: 50, run: chatScheduleMessage},
	"chat.scheduledMessages.list": {kinds: anyToken, tier: 50, run: chatScheduledMessagesList},
	"chat.deleteScheduledMessage": {scope: "chat:write", kinds: anyToken, tier: 50, run: chatDeleteScheduledMessage},

	"conversations.history":         {kinds: anyToken, tier: 50, run: conversationsHistory},
	"conversations.replies":         {kinds: anyToken, tier: 50, run: conversationsReplies},
	"conversations.info":            {kinds: anyToken, tier: 50, run: conversationsInfo},
	"conversations.list":            {kinds: anyToken, tier: 20, inTeam: true, run: conversationsList},
	"conversations.members":         {kinds: anyToken, tier: 100, run: conversationsMembers},
	"conversations.create":          {kinds: anyToken, tier: 20, inTeam: true, run: conversationsCreate},
	"conversations.join":            {kinds: anyToken, tier: 50, run: conversationsJoin},
	"conversations.leave":           {kinds: anyToken, tier: 50, run: conversationsLeave},
	"conversations.invite":          {kinds: anyToken, tier: 50, run: conversationsInvite},
	"conversations.kick":            {kinds: anyToken, tier: 50, run: conversationsKick},
	"conversations.setTopic":        {kinds: anyToken, tier: 20, run: conversationsSetTopic},
	"conversations.setPurpose":      {kinds: anyToken, tier: 20, run: conversationsSetPurpose},
	"conversations.rename":          {kinds: anyToken, tier: 20, run: conversationsRename},
	"conversations.archive":         {kinds: anyToken, tier: 20, run: conversationsArchive},
	"conversations.unarchive":       {kinds: anyToken, tier: 20, run: conversationsUnarchive},
	"conversations.open":            {kinds: anyToken, tier: 50, run: conversationsOpen},
	"conversations.close":           {kinds: anyToken, tier: 20, run: conversationsClose},
	"conversations.mark":            {kinds: anyToken, tier: 50, run: conversationsMark},
	"conversations.canvases.create": {scope: "canvases:write", kinds: anyToken, tier: 20, run: conversationsCanvasesCreate},

	"views.open":   {kinds: botToken, tier: 100, run: viewsOpen},
	"views.update": {kinds: botToken, tier: 100, run: viewsUpdate},

	"reactions.add":    {scope: "reactions:write", kinds: anyToken, tier: 50, run: reactionsAdd},
	"reactions.remove": {scope: "reactions:write", kinds: anyToken, tier: 20, run: reactionsRemove},
	"reactions.get":    {scope: "reactions:read", kinds: anyToken, tier: 50, run: reactionsGet},

	"users.info":          {scope: "users:read", kinds: anyToken, tier: 100, run: usersInfo},
	"users.list":          {scope: "users:read", kinds: anyToken, tier: 20, inTeam: true, run: usersList},
	"users.lookupByEmail": {scope: "users:read.email", kinds: anyToken, tier: 50, run: usersLookupByEmail},
	"users.profile.get":   {scope: "users.profile:read", kinds: anyToken, tier: 100, run: usersProfileGet},
	"users.getPresence":   {scope: "users:read", kinds: anyToken, tier: 50, run: usersGetPresence},
	"users.conversations": {kinds: anyToken, tier: 50, inTeam: true, run: usersConversations},

	"usergroups.list":       {scope: "usergroups:read", kinds: anyToken, tier: 20, inTeam: true, run: usergroupsList},
	"usergroups.users.list": {scope: "usergroups:read", kinds: anyToken, tier: 20, inTeam: true, run: usergroupsUsersList},

	"files.info":                   {scope: "files:read", kinds: anyToken, tier: 100, run: filesInfo},
	"files.list":                   {scope: "files:read", kinds: anyToken, tier: 50, inTeam: true, run: filesList},
	"files.delete":                 {scope: "files:write", kinds: anyToken, tier: 50, run: filesDelete},
	"files.getUploadURLExternal":   {scope: "files:write", kinds: anyToken, tier: 100, run: filesGetUploadURL},
	"files.completeUploadExternal": {scope: "files:write", kinds: anyToken, tier: 100, run: filesCompleteUpload},

	"pins.add":    {scope: "pins:write", kinds: anyToken, tier: 20, run: pinsAdd},
	"pins.list":   {scope: "pins:read", kinds: anyToken, tier: 20, run: pinsList},
	"pins.remove": {scope: "pins:write", kinds: anyToken, tier: 20, run: pinsRemove},

	"bookmarks.add":    {scope: "bookmarks:write", kinds: anyToken, tier: 20, run: bookmarksAdd},
	"bookmarks.edit":   {scope: "bookmarks:write", kinds: anyToken, tier: 20, run: bookmarksEdit},
	"bookmarks.list":   {scope: "bookmarks:read", kinds: anyToken, tier: 50, run: bookmarksList},
	"bookmarks.remove": {scope: "bookmarks:write", kinds: anyToken, tier: 20, run: bookmarksRemove},

	"search.messages":          {scope: "search:read", kinds: userToken, tier: 20, inTeam: true, run: searchMessages},
	"assistant.search.context": {scope: "search:read.public", kinds: anyToken, tier: 20, run: contextSearch},

	"canvases.create":          {scope: "canvases:write", kinds: anyToken, tier: 20, run: canvasesCreate},
	"canvases.edit":            {scope: "canvases:write", kinds: anyToken, tier: 50, run: canvasesEdit},
	"canvases.delete":          {scope: "canvases:write", kinds: anyToken, tier: 50, run: canvasesDelete},
	"canvases.getContent":      {scope: "canvases:read", kinds: anyToken, tier: 50, run: canvasesGetContent},
	"canvases.sections.lookup": {scope: "canvases:read", kinds: anyToken, tier: 50, run: canvasesSectionsLookup},
}

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

// object is a JSON object of an answer or an event.
type object = map[string]any

// A failure is Slack's answer to a call that it refuses.
type failure struct {
	code  string
	extra object
}

// Error returns Slack's code.
func (f *failure) Error() string { return f.code }

func fail(code string) error { return &failure{code: code} }

func failWith(code string, extra object) error { return &failure{code: code, extra: extra} }

// badArgument is invalid_arguments with Slack's remark on the argument.
func badArgument(remark string) error {
	return failWith("invalid_arguments", object{
		"response_metadata": object{"messages": []string{"[ERROR] " + remark}},
	})
}

func missingScope(needed, provided string) error {
	return failWith("missing_scope", object{"needed": needed, "provided": provided})
}
