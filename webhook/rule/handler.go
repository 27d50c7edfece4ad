package rule

import (
	"log/slog"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/signature"
)

// RunHandler makes a handler that runs a command for each event, as a rule of that name
// would. values are the variables that s.Env names.
func RunHandler(name string, s Run, values map[string]string, log *slog.Logger) (queue.Handler, error) {
	a, err := newRun(name, s, values, tools{log: log, now: time.Now})
	if err != nil {
		return nil, err
	}
	return a.do, nil
}

// ForwardHandler makes a handler that posts each event as a signed webhook, as a rule
// would. The caller calls release when no attempt runs any more.
func ForwardHandler(s Forward, secrets []string) (h queue.Handler, release func(), err error) {
	if err := signature.CheckStandard(secrets); err != nil {
		return nil, nil, err
	}
	client, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	if err := client.Check(s.URL); err != nil {
		return nil, nil, err
	}
	a := &forward{spec: s, secrets: secrets, client: client, now: time.Now}
	return a.do, a.close, nil
}
