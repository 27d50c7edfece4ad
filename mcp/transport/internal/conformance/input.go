package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

// question asks for one property.
func question(message, name, kind string) mcp.ElicitationParams {
	return mcp.ElicitationParams{Message: message, RequestedSchema: object{
		"type": "object", "properties": object{name: object{"type": kind}}, "required": []string{name},
	}}
}

func prompt(s string, tokens int) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{Messages: []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: text(s)}}, MaxTokens: tokens}
}

// states seals what a multi round-trip request carries through the client.
type states struct{ key []byte }

func (s states) seal(state string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(state))
	return state + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s states) open(sealed string) (string, error) {
	state, _, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(s.seal(state)), []byte(sealed)) {
		return "", &transport.ProtocolError{Code: mcp.INVALID_PARAMS, Message: "the request state is not ours"}
	}
	return state, nil
}

type handler = func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error)

// addInputTools adds the tools of 2026-07-28 that answer with a question.
func addInputTools(s *server.MCPServer) {
	st := states{key: []byte(rand.Text())}
	for name, h := range map[string]handler{
		"test_input_required_result_elicitation":     askName,
		"test_input_required_result_sampling":        askModel,
		"test_input_required_result_list_roots":      askRoots,
		"test_input_required_result_request_state":   st.confirm,
		"test_input_required_result_tampered_state":  st.confirm,
		"test_input_required_result_multiple_inputs": st.askAll,
		"test_input_required_result_multi_round":     st.askTwice,
		"test_input_required_result_capabilities":    askWhatIsOffered,
		"test_missing_capability":                    needSampling,
		"test_streaming_elicitation":                 askName,
	} {
		s.AddTool(mcp.NewTool(name, mcp.WithDescription("Asks before it answers.")), h)
	}
}

func askName(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer := server.ElicitationResponse(r.Params.InputResponses, "user_name")
	if answer == nil || answer.Action == "" {
		return server.NewInputRequestBuilder("").Elicit("user_name", question("What is your name?", "name", "string")).ToolResult(), nil
	}
	content, _ := answer.Content.(map[string]any)
	return mcp.NewToolResultText(fmt.Sprintf("Hello, %v!", content["name"])), nil
}

func askModel(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer := server.SamplingResponse(r.Params.InputResponses, "capital_question")
	if answer == nil {
		return server.NewInputRequestBuilder("").Sample("capital_question", prompt("What is the capital of France?", 100)).ToolResult(), nil
	}
	return mcp.NewToolResultText(fmt.Sprint(answer.Content)), nil
}

func askRoots(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer := server.RootsResponse(r.Params.InputResponses, "client_roots")
	if answer == nil {
		return server.NewInputRequestBuilder("").Roots("client_roots").ToolResult(), nil
	}
	return mcp.NewToolResultText(fmt.Sprint(answer.Roots)), nil
}

func (s states) confirm(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if server.ElicitationResponse(r.Params.InputResponses, "confirm") == nil {
		return server.NewInputRequestBuilder(s.seal("confirm")).Elicit("confirm", question("Please confirm", "ok", "boolean")).ToolResult(), nil
	}
	if _, err := s.open(r.Params.RequestState); err != nil {
		return nil, err
	}
	return mcp.NewToolResultText("state-ok"), nil
}

func (s states) askAll(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	in := r.Params.InputResponses
	if server.ElicitationResponse(in, "user_name") == nil || server.SamplingResponse(in, "greeting") == nil || server.RootsResponse(in, "client_roots") == nil {
		return server.NewInputRequestBuilder(s.seal("all")).
			Elicit("user_name", question("What is your name?", "name", "string")).
			Sample("greeting", prompt("Generate a greeting", 50)).
			Roots("client_roots").ToolResult(), nil
	}
	if _, err := s.open(r.Params.RequestState); err != nil {
		return nil, err
	}
	return mcp.NewToolResultText("all answered"), nil
}

func (s states) askTwice(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	first := server.NewInputRequestBuilder(s.seal("1")).Elicit("step1", question("Step 1: What is your name?", "name", "string"))
	if r.Params.RequestState == "" {
		return first.ToolResult(), nil
	}
	state, err := s.open(r.Params.RequestState)
	if err != nil {
		return nil, err
	}
	switch {
	case state == "1" && server.ElicitationResponse(r.Params.InputResponses, "step1") != nil:
		return server.NewInputRequestBuilder(s.seal("2")).Elicit("step2", question("Step 2: What is your favorite color?", "color", "string")).ToolResult(), nil
	case state == "2" && server.ElicitationResponse(r.Params.InputResponses, "step2") != nil:
		return mcp.NewToolResultText("both answered"), nil
	default:
		return first.ToolResult(), nil
	}
}

// askWhatIsOffered asks only in ways that the client declared.
func askWhatIsOffered(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if len(r.Params.InputResponses) > 0 {
		return mcp.NewToolResultText("answered"), nil
	}
	b := server.NewInputRequestBuilder("")
	info := server.RequestProtocolInfoFromContext(ctx)
	if info == nil || info.ClientCapabilities == nil {
		return mcp.NewToolResultText("nobody to ask"), nil
	}
	if info.ClientCapabilities.Elicitation != nil {
		b.Elicit("user_name", question("What is your name?", "name", "string"))
	}
	if info.ClientCapabilities.Sampling != nil {
		b.Sample("greeting", prompt("Generate a greeting", 50))
	}
	return b.ToolResult(), nil
}

func needSampling(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if info := server.RequestProtocolInfoFromContext(ctx); info == nil || info.ClientCapabilities == nil || info.ClientCapabilities.Sampling == nil {
		return nil, mcp.MissingRequiredClientCapabilityError{Capability: "sampling"}
	}
	return mcp.NewToolResultText("the client can sample"), nil
}
