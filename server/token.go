package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tokenFile is the name, within DATA_DIR, of the token that is made when none is given.
const tokenFile = "mcp-token"

// ownToken returns the token kept in dir, and makes it the first time: 32 characters
// of base 32, mode 0600. fresh reports that it was made now.
func ownToken(dir string) (token, path string, fresh bool, err error) {
	path = filepath.Join(dir, tokenFile)
	b, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own data directory
	switch {
	case err == nil:
		if token = strings.TrimSpace(string(b)); len(token) >= 16 {
			return token, path, false, nil
		}
		return "", path, false, fmt.Errorf("%s holds no usable token: remove it to have a new one made, or set MCP_AUTH_TOKEN", path)
	case !errors.Is(err, fs.ErrNotExist):
		return "", path, false, fmt.Errorf("read the MCP token: %w", err)
	}
	token = "mcp_" + strings.ToLower(rand.Text()) + strings.ToLower(rand.Text())[:6]
	if err := writeOnce(path, token+"\n"); err != nil {
		return "", path, false, fmt.Errorf("keep the MCP token: %w", err)
	}
	return token, path, true, nil
}

// writeOnce creates the file whole or not at all, so that a crash leaves no half token.
func writeOnce(path, content string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".mcp-token-*") // CreateTemp's mode is 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.WriteString(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
