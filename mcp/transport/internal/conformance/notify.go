package main

import (
	"context"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// pause is what the suite asks for between two notifications.
const pause = 50 * time.Millisecond

func wait(ctx context.Context) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addNotifyingTools adds the tools that speak before they answer.
func addNotifyingTools(s *server.MCPServer) {
	s.AddTool(mcp.NewTool("test_tool_with_logging", mcp.WithDescription("Logs three lines.")), logThrice)
	s.AddTool(mcp.NewTool("test_logging_tool", mcp.WithDescription("Logs three lines.")), logThrice)
	s.AddTool(mcp.NewTool("test_tool_with_progress", mcp.WithDescription("Reports its progress.")), report)
}

func logThrice(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	s := server.ServerFromContext(ctx)
	for _, line := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if err := s.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "conformance", line)); err != nil {
			return nil, err
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
	}
	return mcp.NewToolResultText("logged"), nil
}

func report(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	s := server.ServerFromContext(ctx)
	asked := r.Params.Meta != nil && r.Params.Meta.ProgressToken != nil
	for _, progress := range []int{0, 50, 100} {
		if asked {
			err := s.SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress),
				map[string]any{"progressToken": r.Params.Meta.ProgressToken, "progress": progress, "total": 100})
			if err != nil {
				return nil, err
			}
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
	}
	return mcp.NewToolResultText("done"), nil
}

// addChangingTools adds the tools that change what is listed.
func addChangingTools(s *server.MCPServer) {
	s.AddTool(mcp.NewTool("test_trigger_tool_change", mcp.WithDescription("Adds a tool and takes it away again.")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			s.AddTools(fixed("test_passing_tool", "Comes and goes.", text("here")))
			s.DeleteTools("test_passing_tool")
			return mcp.NewToolResultText("changed"), nil
		})
	s.AddTool(mcp.NewTool("test_trigger_prompt_change", mcp.WithDescription("Adds a prompt and takes it away again.")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			s.AddPrompt(mcp.NewPrompt("test_passing_prompt", mcp.WithPromptDescription("Comes and goes.")),
				func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
					return &mcp.GetPromptResult{}, nil
				})
			s.DeletePrompts("test_passing_prompt")
			return mcp.NewToolResultText("changed"), nil
		})
}
