package event

import (
	"encoding/json"
	"fmt"
)

// DecodeCommand reads a slash command that came as a JSON object of its fields: so
// Socket Mode sends it, where HTTP sends a form. Errors are those of [DecodeSlack].
func DecodeCommand(body []byte) (Envelope, error) {
	env, err := DecodeSlack(body, JSON)
	if err != nil {
		return env, err
	}
	var c Command
	if err := json.Unmarshal(body, &c); err != nil {
		return env, fmt.Errorf("%w: %s", ErrNotJSON, "a field of the command is no text")
	}
	env.Type, env.Kind = SlashCommand, Kind{Type: SlashCommand}
	env.Team, env.Channel, env.User, env.Thread = short(c.TeamID), short(c.ChannelID), short(c.UserID), short(c.ThreadTS)
	return env, nil
}

func short(s string) string {
	if len(s) > maxField {
		return ""
	}
	return s
}
