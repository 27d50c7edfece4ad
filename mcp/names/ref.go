package names

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What a reference can be written as; the errors never repeat what was written.
var (
	errChannelRef = errors.New("write a channel as an id (C0123456789), as #name, or as a link to it or to one of its messages")
	errUserRef    = errors.New("write a user as an id (U0123456789), as @name, or as an e-mail address")
	errMessageRef = errors.New("write a message as its permalink (https://….slack.com/archives/C…/p…), or give channel and ts")
)

// A ChannelRef is a conversation as a caller wrote it: exactly one field is set.
type ChannelRef struct {
	ID   string
	Name string // without "#"
	User *UserRef
}

// A UserRef is a user as a caller wrote it: exactly one field is set.
type UserRef struct {
	ID    string
	Name  string // without "@"
	Email string
}

// A MessageRef is a message, or where a link points: TS is empty when that is a channel.
type MessageRef struct {
	Channel  string
	TS       string
	ThreadTS string
}

var (
	channelID  = regexp.MustCompile(`^[CGD][A-Z0-9]{1,20}$`)
	userID     = regexp.MustCompile(`^[UWB][A-Z0-9]{1,20}$`)
	groupID    = regexp.MustCompile(`^S[A-Z0-9]{1,20}$`)
	channelTag = regexp.MustCompile(`^<#([CGD][A-Z0-9]{1,20})(\|[^>]*)?>$`)
	userTag    = regexp.MustCompile(`^<@([UWB][A-Z0-9]{1,20})(\|[^>]*)?>$`)
	timestamp  = regexp.MustCompile(`^(?:0{1,12}\.0{6}|[1-9][0-9]{0,11}\.[0-9]{6})$`)
	linkTS     = regexp.MustCompile(`^p([1-9][0-9]{6,17})$`)
	clientTS   = regexp.MustCompile(`^([CGD][A-Z0-9]{1,20})-([1-9][0-9]{0,11}\.[0-9]{6})$`)
)

// IsTS reports whether s is a message's ts, such as 1700000000.123456, or the zero that Slack
// writes for none. A ts has one form: with zeros before it, it would name a message that it is
// not compared equal to.
func IsTS(s string) bool { return timestamp.MatchString(s) }

// TimeOf is when a message of this ts was written.
func TimeOf(ts string) (time.Time, bool) {
	seconds, micros, ok := strings.Cut(ts, ".")
	if !ok || !IsTS(ts) {
		return time.Time{}, false
	}
	sec, err1 := strconv.ParseInt(seconds, 10, 64)
	usec, err2 := strconv.ParseInt(micros, 10, 64)
	if err1 != nil || err2 != nil || sec == 0 {
		return time.Time{}, false
	}
	return time.Unix(sec, usec*1000), true
}

// ParseChannel reads a conversation. A user stands for the direct message with them.
func ParseChannel(s string) (ChannelRef, error) {
	s = strings.TrimSpace(s)
	switch {
	case channelID.MatchString(s):
		return ChannelRef{ID: s}, nil
	case channelTag.MatchString(s):
		return ChannelRef{ID: channelTag.FindStringSubmatch(s)[1]}, nil
	case strings.HasPrefix(s, "https://"), strings.HasPrefix(s, "http://"):
		m, err := ParseLink(s)
		if err != nil {
			return ChannelRef{}, errChannelRef
		}
		return ChannelRef{ID: m.Channel}, nil
	case userID.MatchString(s), userTag.MatchString(s), strings.Contains(s, "@"):
		u, err := ParseUser(s)
		if err != nil {
			return ChannelRef{}, errChannelRef
		}
		return ChannelRef{User: &u}, nil
	}
	name := strings.TrimPrefix(s, "#")
	if !isChannelName(name) {
		return ChannelRef{}, errChannelRef
	}
	return ChannelRef{Name: key(name)}, nil
}

// isChannelName is generous: Slack allows letters of any script, digits, "-", "_" and,
// in older names, ".".
func isChannelName(s string) bool {
	return s != "" && len(s) <= 320 && !strings.ContainsAny(s, " \t\n@/<>|#")
}

// ParseUser reads a user.
func ParseUser(s string) (UserRef, error) {
	s = strings.TrimSpace(s)
	switch {
	case userID.MatchString(s):
		return UserRef{ID: s}, nil
	case userTag.MatchString(s):
		return UserRef{ID: userTag.FindStringSubmatch(s)[1]}, nil
	case strings.HasPrefix(s, "@") && len(s) > 1:
		return UserRef{Name: s[1:]}, nil
	case strings.Contains(s, "@"):
		at := strings.LastIndexByte(s, '@')
		if at == 0 || at == len(s)-1 || strings.ContainsAny(s, " \t\n<>") {
			return UserRef{}, errUserRef
		}
		return UserRef{Email: s}, nil
	case s == "" || len(s) > 320 || strings.ContainsAny(s, "\n<>"):
		return UserRef{}, errUserRef
	}
	return UserRef{Name: s}, nil
}

// ParseLink reads a permalink of a message or channel, or an address of Slack's
// web client.
func ParseLink(s string) (MessageRef, error) {
	u, err := url.Parse(strings.Trim(strings.TrimSpace(s), "<>"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return MessageRef{}, errMessageRef
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case len(parts) >= 2 && parts[0] == "archives" && channelID.MatchString(parts[1]):
		return archiveLink(parts, u.Query())
	case len(parts) >= 3 && parts[0] == "client" && channelID.MatchString(parts[2]):
		m := MessageRef{Channel: parts[2]}
		if t := clientTS.FindStringSubmatch(parts[len(parts)-1]); t != nil {
			m = MessageRef{Channel: t[1], TS: t[2], ThreadTS: t[2]}
		}
		return m, nil
	}
	return MessageRef{}, errMessageRef
}

func archiveLink(parts []string, query url.Values) (MessageRef, error) {
	m := MessageRef{Channel: parts[1]}
	if len(parts) == 2 {
		return m, nil
	}
	digits := linkTS.FindStringSubmatch(parts[2])
	if len(parts) != 3 || digits == nil {
		return MessageRef{}, errMessageRef
	}
	d := digits[1]
	m.TS = d[:len(d)-6] + "." + d[len(d)-6:]
	if t := query.Get("thread_ts"); IsTS(t) {
		m.ThreadTS = t
	}
	return m, nil
}
