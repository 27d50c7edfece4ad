package nats

import "fmt"

// durability says what is lost when. JetStream does not tell its sync interval.
func (q *Store) durability() string {
	const interval = "nats-server does not tell its sync_interval, which is 2 minutes unless its configuration says otherwise; \"sync_interval: always\" loses nothing"
	if n := q.o.Replicas; n > 1 {
		return fmt.Sprintf("%d replicas: the loss of %d of their servers takes nothing that was acknowledged; a power loss that takes most of them at once takes what they had not synced (%s)", n, (n-1)/2, interval)
	}
	return "1 replica: a crash of nats-server takes nothing that was acknowledged, a power loss what it had not synced, and a lost disk everything; " + interval
}
