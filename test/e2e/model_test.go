package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// fakeModel is a model that calls slack_list_channels once and then says what it was told, with the interfaces of
// OpenAI, Anthropic and Google, so that a client which is led by a model needs no account. It yields its address.
func fakeModel(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
		if err != nil {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/responses"):
			answerResponses(w, body)
		case strings.HasSuffix(path, "/chat/completions"):
			answerCompletions(w, body)
		case strings.HasSuffix(path, "/messages"):
			answerMessages(w, body)
		case strings.HasSuffix(path, ":streamGenerateContent"), strings.HasSuffix(path, ":generateContent"):
			answerContents(w, body, strings.HasSuffix(path, ":streamGenerateContent"))
		default:
			http.Error(w, `{"error":{"message":"the model has no such method"}}`, http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// listing is the tool by the name that the client gave it.
var listing = regexp.MustCompile(`"name":\s*"([a-z_]*slack_list_channels)"`)

// general is the id of a channel of the sandbox, by which it is seen that the model was told of it.
const general = "C0GENERAL01"

// move is what the model does next: it calls the tool of that name, or says a text. result marks the results of tools in
// the conversation of the interface.
func move(body []byte, result string) (tool, text string) {
	if m := listing.FindSubmatch(body); m != nil && !bytes.Contains(body, []byte(result)) {
		return string(m[1]), ""
	}
	if bytes.Contains(body, []byte(general)) {
		return "", "I was told of " + general
	}
	return "", "I was told nothing"
}

// stream writes server-sent events, with their types where they have one.
func stream(w http.ResponseWriter, events ...map[string]any) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		data, _ := json.Marshal(e) // of maps of texts and numbers
		if typ, ok := e["type"].(string); ok {
			_, _ = io.WriteString(w, "event: "+typ+"\n")
		}
		_, _ = io.WriteString(w, "data: "+string(data)+"\n\n")
	}
}

type obj = map[string]any

// answerMessages is Anthropic's interface.
func answerMessages(w http.ResponseWriter, body []byte) {
	tool, text := move(body, `"tool_result"`)
	block, delta, reason := obj{"type": "text", "text": ""}, obj{"type": "text_delta", "text": text}, "end_turn"
	if tool != "" {
		block, delta, reason = obj{"type": "tool_use", "id": "toolu_1", "name": tool, "input": obj{}}, obj{"type": "input_json_delta", "partial_json": "{}"}, "tool_use"
	}
	message := obj{"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": obj{"input_tokens": 1, "output_tokens": 1}}
	if !bytes.Contains(body, []byte(`"stream":true`)) {
		if tool == "" {
			block["text"] = text
		}
		message["content"], message["stop_reason"] = []any{block}, reason
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(message)
		return
	}
	stream(
		w,
		obj{"type": "message_start", "message": message},
		obj{"type": "content_block_start", "index": 0, "content_block": block},
		obj{"type": "content_block_delta", "index": 0, "delta": delta},
		obj{"type": "content_block_stop", "index": 0},
		obj{"type": "message_delta", "delta": obj{"stop_reason": reason, "stop_sequence": nil}, "usage": obj{"output_tokens": 1}},
		obj{"type": "message_stop"},
	)
}

// answerContents is Google's interface.
func answerContents(w http.ResponseWriter, body []byte, streamed bool) {
	tool, text := move(body, `"functionResponse"`)
	part := obj{"text": text}
	switch {
	case tool != "":
		part = obj{"functionCall": obj{"name": tool, "args": obj{}}}
	case bytes.Contains(body, []byte("next_speaker")): // whose turn it is
		part = obj{"text": `{"reasoning":"it is said","next_speaker":"user"}`}
	}
	response := obj{
		"candidates":    []any{obj{"index": 0, "finishReason": "STOP", "content": obj{"role": "model", "parts": []any{part}}}},
		"usageMetadata": obj{"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
	}
	if streamed {
		stream(w, response)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response)
}

// answerCompletions is OpenAI's Chat Completions interface, which many other servers of models have.
func answerCompletions(w http.ResponseWriter, body []byte) {
	tool, text := move(body, `"role":"tool"`)
	delta, reason := obj{"role": "assistant", "content": text}, "stop"
	if tool != "" {
		delta, reason = obj{"role": "assistant", "tool_calls": []any{
			obj{"index": 0, "id": "call_1", "type": "function", "function": obj{"name": tool, "arguments": "{}"}},
		}}, "tool_calls"
	}
	chunk := func(delta obj, reason any) obj {
		return obj{"id": "chat_1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": []any{obj{"index": 0, "delta": delta, "finish_reason": reason}}}
	}
	stream(w, chunk(delta, nil), chunk(obj{}, reason))
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

// answerResponses is OpenAI's Responses interface.
func answerResponses(w http.ResponseWriter, body []byte) {
	var asked struct {
		Stream bool              `json:"stream"`
		Input  []json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	item := map[string]any{"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "slack_list_channels", "arguments": "{}", "status": "completed"}
	if bytes.Contains(body, []byte(`"mcp__slack"`)) { // Codex has the tools of a server in a namespace
		item["namespace"] = "mcp__slack"
	}
	for _, in := range asked.Input {
		if bytes.Contains(in, []byte(`"function_call_output"`)) {
			item = map[string]any{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []any{
				map[string]any{"type": "output_text", "text": "I was told " + string(in), "annotations": []any{}},
			}}
		}
	}
	response := map[string]any{
		"id": "resp_1", "object": "response", "created_at": 1, "model": "fake", "status": "completed", "output": []any{item},
		"parallel_tool_calls": false, "tool_choice": "auto", "tools": []any{},
		"usage": map[string]any{
			"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
			"input_tokens_details": map[string]any{"cached_tokens": 0}, "output_tokens_details": map[string]any{"reasoning_tokens": 0},
		},
	}
	w.Header().Set("Content-Type", "application/json")
	if !asked.Stream {
		_ = json.NewEncoder(w).Encode(response)
		return
	}
	stream(
		w,
		obj{"type": "response.created", "response": obj{"id": "resp_1"}},
		obj{"type": "response.output_item.done", "output_index": 0, "item": item},
		obj{"type": "response.completed", "response": response},
	)
}
