package main

import (
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func addPrompts(s *server.MCPServer) {
	say := func(contents ...mcp.Content) *mcp.GetPromptResult {
		r := &mcp.GetPromptResult{}
		for _, c := range contents {
			r.Messages = append(r.Messages, mcp.NewPromptMessage(mcp.RoleUser, c))
		}
		return r
	}
	s.AddPrompt(mcp.NewPrompt("test_simple_prompt", mcp.WithPromptDescription("A text.")),
		func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return say(text("This is a simple prompt for testing.")), nil
		})
	s.AddPrompt(
		mcp.NewPrompt("test_prompt_with_arguments", mcp.WithPromptDescription("A text with two arguments."),
			mcp.WithArgument("arg1", mcp.ArgumentDescription("The first."), mcp.RequiredArgument()),
			mcp.WithArgument("arg2", mcp.ArgumentDescription("The second."), mcp.RequiredArgument())),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			a := r.Params.Arguments
			return say(text(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", a["arg1"], a["arg2"]))), nil
		})
	s.AddPrompt(
		mcp.NewPrompt("test_prompt_with_embedded_resource", mcp.WithPromptDescription("A resource."),
			mcp.WithArgument("resourceUri", mcp.ArgumentDescription("The resource."), mcp.RequiredArgument())),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return say(
				mcp.NewEmbeddedResource(mcp.TextResourceContents{
					URI: r.Params.Arguments["resourceUri"], MIMEType: "text/plain", Text: "Embedded resource content for testing.",
				}),
				text("Please process the embedded resource above."),
			), nil
		})
	s.AddPrompt(mcp.NewPrompt("test_prompt_with_image", mcp.WithPromptDescription("An image.")),
		func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return say(mcp.NewImageContent(pixel, "image/png"), text("Please analyze the image above.")), nil
		})
	s.AddPrompt(mcp.NewPrompt("test_input_required_result_prompt", mcp.WithPromptDescription("Asks before it answers.")),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			answer := server.ElicitationResponse(r.Params.InputResponses, "user_context")
			if answer == nil {
				return server.NewInputRequestBuilder("").
					Elicit("user_context", question("What context should the prompt use?", "context", "string")).PromptResult(), nil
			}
			return say(text(fmt.Sprint("The context is ", answer.Content))), nil
		})
}
