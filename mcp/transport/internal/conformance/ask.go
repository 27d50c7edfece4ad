package main

import (
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

type object = map[string]any

func oneOf(titles ...string) []object {
	var all []object
	for i, t := range titles {
		all = append(all, object{"const": fmt.Sprint("value", i+1), "title": t})
	}
	return all
}

// addAskingTools adds the tools that send the client a request while they run.
func addAskingTools(s *server.MCPServer) {
	s.AddTool(
		mcp.NewTool("test_sampling", mcp.WithDescription("Asks the client's model."), mcp.WithString("prompt", mcp.Required())),
		func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			//nolint:staticcheck // deprecated since 2026-07-28, and what the suite asks of the older revisions
			answer, err := s.RequestSampling(ctx, mcp.CreateMessageRequest{CreateMessageParams: mcp.CreateMessageParams{
				Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: text(r.GetString("prompt", ""))}},
				MaxTokens: 100,
			}})
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			said, _ := answer.Content.(mcp.TextContent)
			return mcp.NewToolResultText("LLM response: " + said.Text), nil
		})
	elicit := func(ctx context.Context, message, prefix string, properties object, required ...string) (*mcp.CallToolResult, error) {
		schema := object{"type": "object", "properties": properties}
		if len(required) > 0 {
			schema["required"] = required
		}
		answer, err := s.RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{Message: message, RequestedSchema: schema}})
		if err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultText(fmt.Sprintf("%s: action=%s, content=%v", prefix, answer.Action, answer.Content)), nil
	}
	s.AddTool(
		mcp.NewTool("test_elicitation", mcp.WithDescription("Asks the user."), mcp.WithString("message", mcp.Required())),
		func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, r.GetString("message", ""), "User response", object{
				"username": object{"type": "string", "description": "User's response"},
				"email":    object{"type": "string", "description": "User's email address"},
			}, "username", "email")
		})
	s.AddTool(mcp.NewTool("test_elicitation_sep1034_defaults", mcp.WithDescription("Asks with defaults.")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, "Who are you?", "Elicitation completed", object{
				"name":     object{"type": "string", "default": "John Doe"},
				"age":      object{"type": "integer", "default": 30},
				"score":    object{"type": "number", "default": 95.5},
				"status":   object{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
				"verified": object{"type": "boolean", "default": true},
			})
		})
	s.AddTool(mcp.NewTool("test_elicitation_sep1330_enums", mcp.WithDescription("Asks with every kind of choice.")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			options := []string{"option1", "option2", "option3"}
			return elicit(ctx, "Choose.", "Elicitation completed", object{
				"untitledSingle": object{"type": "string", "enum": options},
				"titledSingle":   object{"type": "string", "oneOf": oneOf("First Option", "Second Option", "Third Option")},
				"legacyEnum":     object{"type": "string", "enum": []string{"opt1", "opt2", "opt3"}, "enumNames": []string{"Option One", "Option Two", "Option Three"}},
				"untitledMulti":  object{"type": "array", "items": object{"type": "string", "enum": options}},
				"titledMulti":    object{"type": "array", "items": object{"anyOf": oneOf("First Choice", "Second Choice", "Third Choice")}},
			})
		})
}
