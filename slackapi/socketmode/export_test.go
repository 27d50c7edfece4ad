package socketmode

import "encoding/json"

// ParseMessage is what a connection makes of a message: a delivery when it has an id,
// and else a word about the connection.
func ParseMessage(data []byte) (e Envelope, disconnects bool, reason string, err error) {
	m, err := parse(data)
	return m.envelope(), m.Type == typeDisconnect, m.Reason, err
}

// ParseHello is what a connection learns of its first message.
func ParseHello(data []byte) (hello bool, connections int, host string, lifetime int, err error) {
	m, err := parse(data)
	return m.Type == typeHello, m.Connections, m.Host, m.Lifetime, err
}

// Acknowledgement is what a delivery is answered with.
func Acknowledgement(id string, answer json.RawMessage) ([]byte, error) {
	return acknowledgement(id, answer)
}
