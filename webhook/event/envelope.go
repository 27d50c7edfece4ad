package event

// The envelope's fields that are picked, one slot each. The slots of one object, and
// of the objects inside it, follow each other, so that a second member of the same
// name can clear what the first one left: the last one wins, whole.
type slot uint8

const (
	noSlot slot = iota

	outerType
	eventID
	eventTime
	outerTeam
	outerTeamID
	outerApp
	challenge
	minuteLimited
	outerChannel
	outerUser
	actionTS
	messageTS

	containerChannel
	containerTS
	containerThread

	clickedTS
	clickedThread

	innerType
	innerSubtype
	innerChannel
	innerChannelID
	innerChannelType
	innerUser
	innerUserID
	innerTS
	innerThread
	innerEventTS
	innerMessageTS
	innerBot
	innerApp

	profileApp

	itemChannel
	itemTS
	itemThread

	changedTS
	changedThread
	changedUser
	changedApp
	changedProfileApp

	deletedTS
	deletedThread
	deletedUser
	deletedApp
	deletedProfileApp

	assistantChannel
	assistantUser
	assistantThread

	authTeam
	authUser
	authIsBot

	slots // how many there are
)

// A node is an object of the envelope that is entered; the others are skipped.
type node uint8

const (
	noNode node = iota
	rootNode
	outerTeamNode
	outerChannelNode
	outerUserNode
	containerNode
	clickedNode
	innerNode
	innerChannelNode
	innerUserNode
	profileNode
	itemNode
	changedNode
	changedProfileNode
	deletedNode
	deletedProfileNode
	assistantNode
	authNode
)

// A member says what to do with one member of a node.
type member struct {
	// at is where its scalar value goes.
	at slot
	// into is the node that its value is, when it is an object. With list, its value
	// is an array whose first element is the node.
	into node
	list bool
	// first and last bound the slots that an earlier member of the same name may have
	// filled; both are noSlot when at is the only one.
	first, last slot
}

// find returns what is to be done with a member; the zero member is skipped.
func find(in node, name []byte) member {
	switch in {
	case rootNode:
		return findRoot(name)
	case innerNode:
		return findInner(name)
	case containerNode:
		return findContainer(name)
	case itemNode:
		return findItem(name)
	case assistantNode:
		return findAssistant(name)
	case authNode:
		return findAuth(name)
	case clickedNode:
		return findMessage(name, clickedTS, clickedThread, noSlot, noSlot, noNode)
	case changedNode:
		return findMessage(name, changedTS, changedThread, changedUser, changedApp, changedProfileNode)
	case deletedNode:
		return findMessage(name, deletedTS, deletedThread, deletedUser, deletedApp, deletedProfileNode)
	case outerTeamNode:
		return only(name, "id", outerTeam)
	case outerChannelNode:
		return only(name, "id", outerChannel)
	case outerUserNode:
		return only(name, "id", outerUser)
	case innerChannelNode:
		return only(name, "id", innerChannel)
	case innerUserNode:
		return only(name, "id", innerUser)
	case profileNode:
		return only(name, "app_id", profileApp)
	case changedProfileNode:
		return only(name, "app_id", changedProfileApp)
	case deletedProfileNode:
		return only(name, "app_id", deletedProfileApp)
	case noNode:
	}
	return member{}
}

func only(name []byte, want string, at slot) member {
	if string(name) == want {
		return member{at: at}
	}
	return member{}
}

func findRoot(name []byte) member {
	switch string(name) {
	case "type":
		return member{at: outerType}
	case "event_id":
		return member{at: eventID}
	case "event_time":
		return member{at: eventTime}
	case "team_id":
		return member{at: outerTeamID}
	case "team":
		return member{at: outerTeam, into: outerTeamNode}
	case "api_app_id":
		return member{at: outerApp}
	case "challenge":
		return member{at: challenge}
	case "minute_rate_limited":
		return member{at: minuteLimited}
	case "channel":
		return member{at: outerChannel, into: outerChannelNode}
	case "user":
		return member{at: outerUser, into: outerUserNode}
	case "action_ts":
		return member{at: actionTS}
	case "message_ts":
		return member{at: messageTS}
	case "container":
		return member{into: containerNode, first: containerChannel, last: containerThread}
	case "message":
		return member{into: clickedNode, first: clickedTS, last: clickedThread}
	case "event":
		return member{into: innerNode, first: innerType, last: assistantThread}
	case "authorizations":
		return member{into: authNode, list: true, first: authTeam, last: authIsBot}
	}
	return member{}
}

func findInner(name []byte) member {
	switch string(name) {
	case "type":
		return member{at: innerType}
	case "subtype":
		return member{at: innerSubtype}
	case "channel":
		return member{at: innerChannel, into: innerChannelNode}
	case "channel_id":
		return member{at: innerChannelID}
	case "channel_type":
		return member{at: innerChannelType}
	case "user":
		return member{at: innerUser, into: innerUserNode}
	case "user_id":
		return member{at: innerUserID}
	case "ts":
		return member{at: innerTS}
	case "thread_ts":
		return member{at: innerThread}
	case "event_ts":
		return member{at: innerEventTS}
	case "message_ts":
		return member{at: innerMessageTS}
	case "bot_id":
		return member{at: innerBot}
	case "app_id":
		return member{at: innerApp}
	case "bot_profile":
		return member{into: profileNode, first: profileApp, last: profileApp}
	case "item":
		return member{into: itemNode, first: itemChannel, last: itemThread}
	case "message":
		return member{into: changedNode, first: changedTS, last: changedProfileApp}
	case "previous_message":
		return member{into: deletedNode, first: deletedTS, last: deletedProfileApp}
	case "assistant_thread":
		return member{into: assistantNode, first: assistantChannel, last: assistantThread}
	}
	return member{}
}

func findContainer(name []byte) member {
	switch string(name) {
	case "channel_id":
		return member{at: containerChannel}
	case "message_ts":
		return member{at: containerTS}
	case "thread_ts":
		return member{at: containerThread}
	}
	return member{}
}

func findItem(name []byte) member {
	switch string(name) {
	case "channel":
		return member{at: itemChannel}
	case "ts":
		return member{at: itemTS}
	case "thread_ts":
		return member{at: itemThread}
	}
	return member{}
}

func findAssistant(name []byte) member {
	switch string(name) {
	case "channel_id":
		return member{at: assistantChannel}
	case "user_id":
		return member{at: assistantUser}
	case "thread_ts":
		return member{at: assistantThread}
	}
	return member{}
}

func findAuth(name []byte) member {
	switch string(name) {
	case "team_id":
		return member{at: authTeam}
	case "user_id":
		return member{at: authUser}
	case "is_bot":
		return member{at: authIsBot}
	}
	return member{}
}

// findMessage serves the objects that hold a whole message.
func findMessage(name []byte, ts, thread, user, app slot, profile node) member {
	switch string(name) {
	case "ts":
		return member{at: ts}
	case "thread_ts":
		return member{at: thread}
	case "user":
		return member{at: user}
	case "app_id":
		return member{at: app}
	case "bot_profile":
		if profile != noNode {
			return member{into: profile, first: app + 1, last: app + 1}
		}
	}
	return member{}
}
