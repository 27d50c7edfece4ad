package sandbox

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
