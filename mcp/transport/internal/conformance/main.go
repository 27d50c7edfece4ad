// Command conformance serves the fixtures that the public MCP conformance suites ask
// for, over this project's transport. It is a test program: test/conformance.sh runs
// the suites against it, and the product does not contain it.
//
// It prints the URL of its mount and serves until it is interrupted.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1) //nolint:gocritic // the process ends, and with it the notification of signals
	}
}

func run(ctx context.Context, addr string) error {
	t, err := transport.New(transport.Options{
		Default: transport.StreamableHTTP,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	if err := t.Attach(newServer(t)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", t.Handler())
	mux.Handle("/mcp/", t.Handler())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "http://%s/mcp\n", l.Addr())

	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	err = t.Run(ctx) // ends the streams, without which Shutdown would wait for them
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(closing))
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func newServer(t *transport.Transport) *server.MCPServer {
	s := server.NewMCPServer("conformance", "1.0.0", append(t.ServerOptions(),
		server.WithPromptCapabilities(true),
		server.WithCompletions(),
		server.WithElicitation(),
		server.WithInputSchemaValidation(),
	)...)
	s.EnableSampling()
	addContentTools(s)
	addNotifyingTools(s)
	addAskingTools(s)
	addInputTools(s)
	addChangingTools(s)
	addResources(s)
	addPrompts(s)
	return s
}

// fixed returns a tool without arguments that always answers the same.
func fixed(name, description string, content ...mcp.Content) server.ServerTool {
	return server.ServerTool{
		Tool: mcp.NewTool(name, mcp.WithDescription(description)),
		Handler: func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: content}, nil
		},
	}
}

func text(s string) mcp.Content { return mcp.NewTextContent(s) }

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

const (
	pixel   = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
	silence = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
)

// schema2020 uses the keywords that the suite wants to find again in tools/list.
const schema2020 = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
  "properties": {
    "name": {"type": "string"},
    "address": {"$ref": "#/$defs/address"},
    "contactMethod": {"type": "string", "enum": ["phone", "email"]},
    "phone": {"type": "string"},
    "email": {"type": "string"}
  },
  "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
  "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
  "then": {"required": ["phone"]},
  "else": {"required": ["email"]},
  "additionalProperties": false
}`

const headerSchema = `{
  "type": "object",
  "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
  "required": ["region"]
}`

// addContentTools adds the tools that answer with one kind of content each.
func addContentTools(s *server.MCPServer) {
	s.AddTools(
		fixed("test_simple_text", "Answers with a text.", text("This is a simple text response for testing.")),
		fixed("test_image_content", "Answers with an image.", mcp.NewImageContent(pixel, "image/png")),
		fixed("test_audio_content", "Answers with a sound.", mcp.NewAudioContent(silence, "audio/wav")),
		fixed("test_embedded_resource", "Answers with a resource.", mcp.NewEmbeddedResource(mcp.TextResourceContents{
			URI: "test://embedded-resource", MIMEType: "text/plain", Text: "This is an embedded resource content.",
		})),
		fixed("test_multiple_content_types", "Answers with a text, an image and a resource.",
			text("Multiple content types test:"),
			mcp.NewImageContent(pixel, "image/png"),
			mcp.NewEmbeddedResource(mcp.TextResourceContents{
				URI: "test://mixed-content-resource", MIMEType: "application/json", Text: `{"test":"data","value":123}`,
			}),
		),
		server.ServerTool{
			Tool: mcp.NewTool("test_error_handling", mcp.WithDescription("Always fails.")),
			Handler: func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return mcp.NewToolResultError("This tool intentionally returns an error for testing"), nil
			},
		},
		server.ServerTool{
			Tool:    mcp.NewToolWithRawSchema("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", json.RawMessage(schema2020)),
			Handler: done("ok"),
		},
		server.ServerTool{
			Tool:    mcp.NewToolWithRawSchema("test_custom_header", "Wants its argument in a header too.", json.RawMessage(headerSchema)),
			Handler: done("ok"),
		},
	)
}

func done(s string) server.ToolHandlerFunc {
	return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(s), nil
	}
}

func addResources(s *server.MCPServer) {
	s.AddResource(
		mcp.NewResource("test://static-text", "static_text", mcp.WithResourceDescription("A text."), mcp.WithMIMEType("text/plain")),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{
				URI: r.Params.URI, MIMEType: "text/plain", Text: "This is the content of the static text resource.",
			}}, nil
		})
	s.AddResource(
		mcp.NewResource("test://static-binary", "static_binary", mcp.WithResourceDescription("An image."), mcp.WithMIMEType("image/png")),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.BlobResourceContents{URI: r.Params.URI, MIMEType: "image/png", Blob: pixel}}, nil
		})
	s.AddResource(
		mcp.NewResource("test://watched-resource", "watched_resource", mcp.WithResourceDescription("To be subscribed to."), mcp.WithMIMEType("text/plain")),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, MIMEType: "text/plain", Text: "watched"}}, nil
		})
	s.AddResourceTemplate(
		mcp.NewResourceTemplate("test://template/{id}/data", "template", mcp.WithTemplateDescription("A template."), mcp.WithTemplateMIMEType("application/json")),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			id := ""
			if values, ok := r.Params.Arguments["id"].([]string); ok && len(values) > 0 {
				id = values[0]
			}
			body := fmt.Sprintf(`{"id":%q,"templateTest":true,"data":%q}`, id, "Data for ID: "+id)
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, MIMEType: "application/json", Text: body}}, nil
		})
}

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
