package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Workspace is what a workspace file holds: people, bots, conversations and what was said
// in them. Members are named as Slack names them. Where a person, a bot or a file is
// named, its id or its name will do. The app of the sandbox is a bot of every workspace:
// its ids are those of [AppID], [BotID] and [BotUser].
type Workspace struct {
	Team     FileTeam          `json:"team,omitzero"`
	App      FileApp           `json:"app,omitzero"`
	People   []FilePerson      `json:"people,omitempty"`
	Bots     []FileBot         `json:"bots,omitempty"`
	Groups   []FileGroup       `json:"user_groups,omitempty"`
	Channels []FileChannel     `json:"channels,omitempty"`
	Emoji    map[string]string `json:"emoji,omitempty"` // name → address of the image, or alias:name
	// UntilNow moves all times so that the newest message is of the time of loading.
	UntilNow bool `json:"until_now,omitempty"`
}

// FileTeam is the workspace itself.
type FileTeam struct {
	Name   string `json:"name,omitempty"`
	Domain string `json:"domain,omitempty"`
}

// FileApp is the app whose tokens the sandbox takes.
type FileApp struct {
	// Name is the app's name; its bot user has it in lower case.
	Name string `json:"name,omitempty"`
	// Installer is the person who installed it; without one it is the first person.
	Installer string `json:"installer,omitempty"`
}

// FilePerson is a member of the workspace, or a person of another one.
type FilePerson struct {
	ID          string `json:"id,omitempty"` // without one it follows from the name
	Name        string `json:"name"`
	RealName    string `json:"real_name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Title       string `json:"title,omitempty"`
	Email       string `json:"email,omitempty"`
	StatusText  string `json:"status_text,omitempty"`
	StatusEmoji string `json:"status_emoji,omitempty"`
	TZ          string `json:"tz,omitempty"` // such as Europe/Berlin
	TZLabel     string `json:"tz_label,omitempty"`
	Admin       bool   `json:"is_admin,omitempty"`
	Owner       bool   `json:"is_owner,omitempty"`
	Guest       bool   `json:"is_restricted,omitempty"`
	Deleted     bool   `json:"deleted,omitempty"`
	// External makes it a person of another workspace, whom shared channels show.
	External bool `json:"is_stranger,omitempty"`
}

// FileBot is the bot of another app. Without a user it posts as incoming webhooks do: its
// messages have the subtype bot_message and no user.
type FileBot struct {
	ID    string `json:"bot_id,omitempty"`
	Name  string `json:"name"`
	AppID string `json:"app_id,omitempty"`
	User  string `json:"user_id,omitempty"`
}

// FileGroup is people who can be mentioned together.
type FileGroup struct {
	ID          string   `json:"id,omitempty"`
	Handle      string   `json:"handle"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Users       []string `json:"users,omitempty"`
}

// FileChannel is a conversation of one of Slack's four types.
type FileChannel struct {
	ID       string   `json:"id,omitempty"`
	Name     string   `json:"name,omitempty"` // direct messages and group messages have none
	Type     string   `json:"type,omitempty"` // public_channel, private_channel, im or mpim; empty is public_channel
	Topic    string   `json:"topic,omitempty"`
	Purpose  string   `json:"purpose,omitempty"`
	Creator  string   `json:"creator,omitempty"`
	Created  int64    `json:"created,omitempty"` // Unix seconds
	General  bool     `json:"is_general,omitempty"`
	Archived bool     `json:"is_archived,omitempty"`
	External bool     `json:"is_ext_shared,omitempty"`
	Members  []string `json:"members,omitempty"`
	// LastRead is how far a member has read, as a ts; without it the member has read all.
	LastRead map[string]string `json:"last_read,omitempty"`
	Messages []FileMessage     `json:"messages,omitempty"`
}

// FileMessage is a message as Slack's history shows it, without what follows from the
// others: counts of replies, permalinks and profiles.
type FileMessage struct {
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	Type        string          `json:"type,omitempty"` // message, or empty
	Subtype     string          `json:"subtype,omitempty"`
	User        string          `json:"user,omitempty"`
	Bot         string          `json:"bot_id,omitempty"`
	Username    string          `json:"username,omitempty"` // of a bot that posts under another name
	Text        string          `json:"text,omitempty"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Edited      *FileEdit       `json:"edited,omitempty"`
	Reactions   []FileReaction  `json:"reactions,omitempty"`
	Files       []FileFile      `json:"files,omitempty"`
	PinnedBy    string          `json:"pinned_by,omitempty"`
	Inviter     string          `json:"inviter,omitempty"`
	Topic       string          `json:"topic,omitempty"`
	Purpose     string          `json:"purpose,omitempty"`
	Name        string          `json:"name,omitempty"`
	OldName     string          `json:"old_name,omitempty"`
}

// FileEdit says who changed a message, and when.
type FileEdit struct {
	User string `json:"user,omitempty"` // empty is who wrote it
	TS   string `json:"ts"`
}

// FileReaction is an emoji with those who put it on a message.
type FileReaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
	Count int      `json:"count,omitempty"` // that of Users, or absent
}

// FileFile is a file of a message. One that was described before needs its id alone.
type FileFile struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Title    string `json:"title,omitempty"`
	User     string `json:"user,omitempty"` // empty is who wrote the message
	MIMEType string `json:"mimetype,omitempty"`
	FileType string `json:"filetype,omitempty"`
	// Content are its bytes as text, Base64 as base64. With neither it has Size zero bytes.
	Content string `json:"content,omitempty"`
	Base64  []byte `json:"base64,omitempty"`
	Size    int    `json:"size,omitempty"`
	// PinnedBy pins the file itself, as older channels have it; those of today pin its message.
	PinnedBy string `json:"pinned_by,omitempty"`
	// Details are further members of its description, as Slack has them, such as
	// transcription or plain_text.
	Details map[string]any `json:"details,omitempty"`
}

// ParseWorkspace reads a workspace file. Its error names the place in the file as a JSON
// pointer, such as /channels/0/messages/3/ts, and the remedy. What the members mean
// together is checked when the workspace is loaded.
func ParseWorkspace(data []byte) (*Workspace, error) {
	var w Workspace
	err := jsonv2.Unmarshal(data, &w, jsonv2.RejectUnknownMembers(true))
	if err == nil {
		return &w, nil
	}
	if wrong := (*jsonv2.SemanticError)(nil); errors.As(err, &wrong) {
		return nil, placed(wrong)
	}
	if wrong := (*jsontext.SyntacticError)(nil); errors.As(err, &wrong) {
		line := 1 + strings.Count(string(data[:min(int(wrong.ByteOffset), len(data))]), "\n")
		return nil, fmt.Errorf("workspace file: line %d, at %s: it is not JSON, or says a member twice: %w", line, place(string(wrong.JSONPointer)), wrong.Err)
	}
	return nil, fmt.Errorf("workspace file: %w", err)
}

// placed says what a value should be that is of another kind, or which members there are.
func placed(wrong *jsonv2.SemanticError) error {
	at := place(string(wrong.JSONPointer))
	if errors.Is(wrong.Err, jsonv2.ErrUnknownName) {
		return fmt.Errorf("workspace file: %s: there is no such member; there are %s", at, strings.Join(memberNames(wrong.GoType), ", "))
	}
	return fmt.Errorf("workspace file: %s: it must be %s", at, kindWord(wrong.GoType))
}

func place(pointer string) string {
	if pointer == "" {
		return "the whole file"
	}
	return pointer
}

// memberNames are the members of an object of the file.
func memberNames(t reflect.Type) []string {
	var names []string
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func kindWord(t reflect.Type) string {
	if t == nil {
		return "of another kind"
	}
	switch t.Kind() { //nolint:exhaustive // the file has no others
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a text in base64"
		}
		return "a list"
	default:
		return "an object"
	}
}
