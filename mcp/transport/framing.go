package transport

// framing says how messages are put on a wire: as server-sent events, or one a line.
type framing bool

const (
	events framing = true
	lines  framing = false
)

const (
	jsonHead    = `{"jsonrpc":"2.0","method":"`
	updatedHead = jsonHead + `notifications/resources/updated","params":{`
)

// message appends one framed message. JSON as encoding/json writes it has no line
// break, which both framings rely on; a client's own bytes are never passed through.
func (f framing) message(dst []byte, id string, msg []byte) []byte {
	dst = f.open(dst, id)
	dst = append(dst, msg...)
	return f.end(dst)
}

func (f framing) updated(dst []byte, id string, s *subscription) []byte {
	dst = f.open(dst, id)
	dst = append(dst, updatedHead...)
	dst = append(dst, s.meta...)
	dst = append(dst, s.topic.param...)
	dst = append(dst, "}}"...)
	return f.end(dst)
}

func (f framing) listChanged(dst []byte, id, method string, meta []byte) []byte {
	dst = f.open(dst, id)
	dst = append(dst, jsonHead...)
	dst = append(dst, method...)
	dst = append(dst, '"')
	if meta != nil {
		// meta ends with the comma that separates it from a further parameter.
		dst = append(dst, `,"params":{`...)
		dst = append(dst, meta[:len(meta)-1]...)
		dst = append(dst, '}')
	}
	dst = append(dst, '}')
	return f.end(dst)
}

func (f framing) open(dst []byte, id string) []byte {
	if f == lines {
		return dst
	}
	if id != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		dst = append(dst, '\n')
	}
	return append(dst, "event: message\ndata: "...)
}

func (f framing) end(dst []byte) []byte {
	if f == lines {
		return append(dst, '\n')
	}
	return append(dst, "\n\n"...)
}
