package event

import "fmt"

// DecodeCommand reads a slash command that came as a JSON object of its fields: Socket Mode
// sends it so, where HTTP sends a form. Errors are those of [DecodeSlack].
func DecodeCommand(body []byte) (Envelope, error) {
	env, err := DecodeSlack(body, JSON)
	if err != nil {
		return env, err
	}
	fields := parse(body)
	for _, name := range []string{"command", "text", "user_id", "user_name", "channel_id", "channel_name", "team_id", "thread_ts"} {
		if v := fields.get(name); v != nil && v.Kind() != '"' && v.Kind() != 'n' {
			return env, fmt.Errorf("%w: a field of the command is no text", ErrNotJSON)
		}
	}
	env.Type, env.Kind = SlashCommand, Kind{Type: SlashCommand}
	env.Team, env.Channel, env.User, env.Thread = fields.text("team_id"), fields.text("channel_id"), fields.text("user_id"), fields.text("thread_ts")
	return env, nil
}
