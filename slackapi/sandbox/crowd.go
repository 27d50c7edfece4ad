package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// maxCrowd bounds what can be made up.
const maxCrowd = 1_000_000

const (
	crowdUser    = "U0CROWD"
	crowdChannel = "C0CROWD"
	crowdEpoch   = 1_600_000_000 // September 2020, when the crowd moved in
)

// A crowd is people and channels that exist as numbers, and are made when somebody
// looks. A channel that something happens in is kept; see [Sandbox.channel].
type crowd struct {
	users, channels int
	kept            map[string]*channel
}

func crowdID(prefix string, i int) string { return fmt.Sprintf("%s%07d", prefix, i) }

// crowdIndex reads an id back, where it is one of n.
func crowdIndex(prefix, id string, n int) (int, bool) {
	digits, ok := strings.CutPrefix(id, prefix)
	if !ok || len(digits) != 7 {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && i < n
}

var (
	givenNames  = strings.Fields("Ada Ben Chloe Dev Elif Finn Gita Hugo Iris Jamal Kaya Liam Mira Noor Otto Priya Quinn Rosa Sami Tess Uma Viktor Wren Ximena Yusuf Zoe")
	familyNames = strings.Fields("Abbot Baker Castro Dietz Evans Fischer Garcia Hughes Ito Jensen Kumar Lopez Moreau Novak Osei Patel Quist Rivera Sato Tran Ueda Varga Wang Xu Young Zhang")
	roomNames   = strings.Fields("proj team help ops data sales topic local")
)

func (s *Sandbox) crowdUser(i int) *user {
	given, family := givenNames[i%len(givenNames)], familyNames[i/len(givenNames)%len(familyNames)]
	name := fmt.Sprintf("%s.%s%d", strings.ToLower(given), strings.ToLower(family), i)
	u := s.newUser(crowdID(crowdUser, i), name, given+" "+family)
	u.Deleted = i%50 == 49
	u.IsRestricted = i%40 == 39
	u.Updated = crowdEpoch + int64(i)
	return u
}

func (s *Sandbox) crowdChannel(i int) *channel {
	if c := s.crowd.kept[crowdID(crowdChannel, i)]; c != nil {
		return c
	}
	c := newChannel(crowdID(crowdChannel, i), crowdName(i), public)
	c.created = crowdEpoch + int64(i)
	c.updated = c.created * 1000
	c.archived = i%20 == 19
	c.purpose.Value = "Room " + strconv.Itoa(i)
	for n := range 3 + i%5 {
		if s.crowd.users > 0 {
			c.members = append(c.members, crowdID(crowdUser, (i*7+n)%s.crowd.users))
		}
	}
	if len(c.members) > 0 {
		c.creator = c.members[0]
	}
	return c
}

func crowdName(i int) string { return fmt.Sprintf("%s-%05d", roomNames[i%len(roomNames)], i) }

// keep makes a channel of the crowd stay as it is from now on.
func (s *Sandbox) keep(c *channel) {
	if _, ok := crowdIndex(crowdChannel, c.id, s.crowd.channels); ok {
		s.crowd.kept[c.id] = c
	}
}

// user finds a user.
func (s *Sandbox) user(id string) (*user, bool) {
	if u, ok := s.users.get(id); ok {
		return u, true
	}
	if i, ok := crowdIndex(crowdUser, id, s.crowd.users); ok {
		return s.crowdUser(i), true
	}
	return nil, false
}

// userAt is the i-th of userCount users; the crowd comes last.
func (s *Sandbox) userAt(i int) *user {
	if i < len(s.users.order) {
		return s.users.byID[s.users.order[i]]
	}
	return s.crowdUser(i - len(s.users.order))
}

func (s *Sandbox) userCount() int { return len(s.users.order) + s.crowd.users }

func (s *Sandbox) userIndex(id string) (int, bool) {
	if i, ok := s.users.index[id]; ok {
		return i, true
	}
	i, ok := crowdIndex(crowdUser, id, s.crowd.users)
	return i + len(s.users.order), ok
}

// channel finds a conversation, and keeps one of the crowd: whoever asks for it by
// its id may change it.
func (s *Sandbox) channel(id string) (*channel, bool) {
	if c, ok := s.channels.get(id); ok {
		return c, true
	}
	if i, ok := crowdIndex(crowdChannel, id, s.crowd.channels); ok {
		c := s.crowdChannel(i)
		s.keep(c)
		return c, true
	}
	return nil, false
}

func (s *Sandbox) channelAt(i int) *channel {
	if i < len(s.channels.order) {
		return s.channels.byID[s.channels.order[i]]
	}
	return s.crowdChannel(i - len(s.channels.order))
}

func (s *Sandbox) channelCount() int { return len(s.channels.order) + s.crowd.channels }

func (s *Sandbox) channelIndex(id string) (int, bool) {
	if i, ok := s.channels.index[id]; ok {
		return i, true
	}
	i, ok := crowdIndex(crowdChannel, id, s.crowd.channels)
	return i + len(s.channels.order), ok
}

// nameTaken reports whether a channel, archived or not, has a name.
func (s *Sandbox) nameTaken(name string) bool {
	for _, c := range s.channels.byID {
		if c.name == name {
			return true
		}
	}
	for _, c := range s.crowd.kept {
		if c.name == name {
			return true
		}
	}
	_, digits, _ := strings.Cut(name, "-")
	i, err := strconv.Atoi(digits)
	return err == nil && i >= 0 && i < s.crowd.channels && crowdName(i) == name
}
