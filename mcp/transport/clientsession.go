package transport

import (
	"errors"
	"log/slog"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

var errTooManySubscriptions = errors.New("too many subscriptions in one session")

// The methods below are mcp-go's view of a call as a client session. The state is the
// session's; a 2026-07-28 request has none but its own.

// SessionID implements server.ClientSession. It is empty in 2026-07-28.
func (c *call) SessionID() string {
	if c.ses == nil {
		return ""
	}
	return c.ses.id
}

// Initialize implements server.ClientSession.
func (c *call) Initialize() {}

// Initialized implements server.ClientSession: a call exists only for a client that
// may be answered.
func (c *call) Initialized() bool { return true }

// SetLogLevel implements server.SessionWithLogging.
func (c *call) SetLogLevel(level mcp.LoggingLevel) {
	if c.ses == nil {
		return
	}
	c.ses.mu.Lock()
	c.ses.level = level
	c.ses.mu.Unlock()
	if err := c.t.sessions.change(c.ctx, c.ses, func(r *Record) { r.LogLevel = string(level) }); err != nil {
		c.t.log.Warn("log level was not stored", slog.Any("error", err))
	}
}

// GetLogLevel implements server.SessionWithLogging.
func (c *call) GetLogLevel() mcp.LoggingLevel {
	if c.ses == nil {
		return mcp.LoggingLevelInfo
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.level
}

// GetClientInfo implements server.SessionWithClientInfo.
func (c *call) GetClientInfo() mcp.Implementation {
	if c.ses == nil {
		return c.client
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.client
}

// SetClientInfo implements server.SessionWithClientInfo.
func (c *call) SetClientInfo(info mcp.Implementation) {
	if c.ses == nil {
		c.client = info
		return
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.ses.client = info
}

// GetClientCapabilities implements server.SessionWithClientInfo.
func (c *call) GetClientCapabilities() mcp.ClientCapabilities {
	if c.ses == nil {
		return c.caps
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.caps
}

// SetClientCapabilities implements server.SessionWithClientInfo.
func (c *call) SetClientCapabilities(caps mcp.ClientCapabilities) {
	if c.ses == nil {
		c.caps = caps
		return
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.ses.caps = caps
}

// ProtocolVersion implements server.SessionWithProtocolVersion. Requests of 2026-07-28
// say theirs themselves.
func (c *call) ProtocolVersion() string {
	if c.ses == nil {
		return ""
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.version
}

// SetProtocolVersion is called by mcp-go with what initialize negotiated.
func (c *call) SetProtocolVersion(version string) {
	if c.ses == nil {
		return
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.ses.version = version
}

// SubscribeToResourceErr implements server.SessionWithResourceSubscriptionsErr.
func (c *call) SubscribeToResourceErr(uri string) error {
	if err := c.t.opt.Subscribable(c.ctx, uri); err != nil {
		if errors.Is(err, server.ErrResourceNotFound) {
			c.fault = c.notFound(uri)
			return c.fault
		}
		c.t.log.Error("subscription was not decided", slog.Any("error", err))
		c.fault = &ProtocolError{Code: mcp.INTERNAL_ERROR, Message: internalError}
		return err
	}
	if c.ses == nil {
		return nil
	}
	err := c.t.sessions.subscribe(c.ctx, c.ses, uri)
	switch {
	case errors.Is(err, errTooManySubscriptions):
		c.fault = &ProtocolError{Code: mcp.INVALID_PARAMS, Message: err.Error()}
	case err != nil:
		c.t.log.Error("subscription was not stored", slog.Any("error", err))
		c.fault = &ProtocolError{Code: mcp.INTERNAL_ERROR, Message: internalError}
	}
	return err
}

// SubscribeToResource implements server.SessionWithResourceSubscriptions; mcp-go calls
// SubscribeToResourceErr instead.
func (c *call) SubscribeToResource(uri string) { _ = c.SubscribeToResourceErr(uri) }

// UnsubscribeFromResource implements server.SessionWithResourceSubscriptions.
func (c *call) UnsubscribeFromResource(uri string) {
	if c.ses == nil {
		return
	}
	if err := c.t.sessions.unsubscribe(c.ctx, c.ses, uri); err != nil {
		c.t.log.Error("end of a subscription was not stored", slog.Any("error", err))
	}
}

// SubscribedResources implements server.SessionWithResourceSubscriptions.
func (c *call) SubscribedResources() []string {
	if c.ses == nil {
		return nil
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	uris := make([]string, 0, len(c.ses.subs))
	for uri := range c.ses.subs {
		uris = append(uris, uri)
	}
	slices.Sort(uris)
	return uris
}

// IsSubscribedToResource implements server.SessionWithResourceSubscriptions.
func (c *call) IsSubscribedToResource(uri string) bool {
	if c.ses == nil {
		return false
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	_, ok := c.ses.subs[uri]
	return ok
}
