package server

import (
	"context"
	"io"

	"slackmcp/config"
	"slackmcp/server/audit"
)

// trail opens the audit trail, when there is to be one.
func (b *builder) trail(context.Context) error {
	o := audit.Options{Scrub: b.cfg.Scrubbed, Logger: b.log, Written: b.metrics.Process.Audited}
	switch where := b.cfg.Log.Audit; where {
	case "":
		return nil
	case config.AuditStdout:
		o.Writer = b.stdout
	case config.AuditStderr:
		o.Writer = b.stderr
	default:
		o.Path = where
	}
	if o.Path == "" && o.Writer == nil {
		o.Writer = io.Discard // an embedding program that gave none
	}
	l, err := audit.New(o)
	if err != nil {
		return &config.Error{Problems: []config.Problem{{
			Setting: "AUDIT_LOG", What: "cannot be written (" + err.Error() + ")",
			Remedy: "name a file in a directory that this user may write to, or stderr or stdout",
		}}}
	}
	b.audit = l
	b.reloads = append(b.reloads, l.Reopen)
	return nil
}
