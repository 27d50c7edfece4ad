package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen takes an address; its error names the setting that moves the server elsewhere.
func listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: stop the program that has it, or choose another with %s", err, setting)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w: ports below 1024 are root's: choose a higher one with %s", err, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w: this machine does not have that address: choose another with %s", err, setting)
	}
	return nil, fmt.Errorf("listen: %w", err)
}
