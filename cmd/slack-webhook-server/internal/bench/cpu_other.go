//go:build !linux

package bench

import "time"

// cpu is not known on this system.
func (c *child) cpu() (time.Duration, bool) { return 0, false }
