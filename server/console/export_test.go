package console

import "time"

// SetClock exchanges the clock of the sessions.
func (c *Console) SetClock(now func() time.Time) {
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	c.sessions.now = now
}
