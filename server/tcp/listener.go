package tcp

import "net"

// NewListener returns l with connections that cost less. What is no TCP connection is
// handed on as it comes.
func NewListener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept waits for the next connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*net.TCPConn); ok {
		return wrap(t), nil
	}
	return c, nil
}
