package event

import "errors"

// EncodingOf says how the body of a sender beside Slack is written: as JSON when it is
// JSON, any value, and else as a form, whatever its media type says. Errors: ErrEmpty,
// ErrNotUTF8, ErrTooDeep, ErrTooLong.
func EncodingOf(body []byte) (Encoding, error) {
	if err := check(body); err != nil {
		return JSON, err
	}
	s := scanner{b: body}
	if s.space() == 0 {
		if err := emptyOr(body); !errors.Is(err, ErrNotJSON) {
			return JSON, err
		}
	}
	err := s.skip()
	if err == nil {
		err = s.end()
	}
	if errors.Is(err, ErrNotJSON) {
		return Form, nil
	}
	return JSON, err
}
