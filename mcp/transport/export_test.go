package transport

// ParseMessage lets the fuzzer at what outside bytes meet first: it returns what
// routing sees of a message.
func ParseMessage(raw []byte) (method string, id []byte, stateless string, err error) {
	m, err := parseMessage(raw)
	if err != nil {
		return "", nil, "", err
	}
	_ = m.cancelledID()
	_ = m.uri()
	return m.Method, m.ID, m.metaVersion(), nil
}
