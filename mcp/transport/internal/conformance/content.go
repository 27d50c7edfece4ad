package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

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
