package config

import (
	"errors"
	"os"
)

// NeedsDataDir reports whether something will be kept in Queue.DataDir: the embedded
// store, or the MCP token that is made when none was set.
func (c Config) NeedsDataDir() bool {
	if c.Receives() && c.Queue.Backend == SQLite {
		return true
	}
	return c.Mode.MCP() && c.MCP.Transport != Stdio && !c.MCP.NoAuth && !c.MCP.AuthToken.IsSet()
}

// PrepareDataDir makes the directory with mode 0700 unless it is there, and proves
// that files can be made in it. Its error is an *Error with the remedy.
func PrepareDataDir(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = tryFile(dir)
	}
	if err == nil {
		return nil
	}
	return &Error{Problems: []Problem{{
		Setting: "DATA_DIR",
		What:    "cannot be used at " + dir + " (" + reason(err) + ")",
		Remedy:  "make it writable for this user, or name another directory with --data-dir",
	}}}
}

func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
