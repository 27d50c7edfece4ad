package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// errNoAnswers says that a client cannot be asked: it has no session, did not offer
// the capability, or takes no stream.
var errNoAnswers = errors.New("the client does not take requests of that kind")

// RequestElicitation asks the client's user, on this call's stream.
func (c *call) RequestElicitation(ctx context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	if c.GetClientCapabilities().Elicitation == nil {
		return nil, fmt.Errorf("elicitation: %w", errNoAnswers)
	}
	var result mcp.ElicitationResult
	return &result, c.ask(ctx, mcp.MethodElicitationCreate, req.Params, &result)
}

// RequestSampling asks the client's model, on this call's stream.
func (c *call) RequestSampling(ctx context.Context, req mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	if c.GetClientCapabilities().Sampling == nil {
		return nil, fmt.Errorf("sampling: %w", errNoAnswers)
	}
	var result mcp.CreateMessageResult
	if err := c.ask(ctx, mcp.MethodSamplingCreateMessage, req.CreateMessageParams, &result); err != nil {
		return nil, err
	}
	content, err := mcp.ParseSamplingContent(result.Content)
	if err != nil {
		return nil, fmt.Errorf("sampling: %w", err)
	}
	result.Content = content
	return &result, nil
}

// ListRoots asks for the client's roots, on this call's stream.
func (c *call) ListRoots(ctx context.Context, _ mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	if c.GetClientCapabilities().Roots == nil {
		return nil, fmt.Errorf("roots: %w", errNoAnswers)
	}
	var result mcp.ListRootsResult
	return &result, c.ask(ctx, mcp.MethodListRoots, nil, &result)
}

// ask sends a request to the client and waits for its answer, at most AnswerTimeout.
func (c *call) ask(ctx context.Context, method mcp.MCPMethod, params, result any) error {
	if c.ses == nil {
		return fmt.Errorf("%s: %w", method, errNoAnswers)
	}
	ctx, stop := context.WithTimeout(ctx, c.t.opt.AnswerTimeout)
	defer stop()
	id := c.t.asked.Add(1)
	answer := make(chan *message, 1)
	c.ses.expect(id, answer)
	defer c.ses.forget(id)
	msg, err := json.Marshal(mcp.JSONRPCRequest{
		JSONRPC: mcp.JSONRPC_VERSION, ID: mcp.NewRequestId(id),
		Request: mcp.Request{Method: string(method)}, Params: params,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	c.flush()
	if err := c.out.send(ctx, msg); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		return decodeAnswer(method, m, result)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

func decodeAnswer(method mcp.MCPMethod, m *message, result any) error {
	if len(m.Error) > 0 {
		var e struct {
			Code int `json:"code"`
		}
		// The client's own words stay with it: they would end in ours.
		_ = json.Unmarshal(m.Error, &e)
		return fmt.Errorf("%s: the client answered with error %d", method, e.Code)
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("%s: decode the client's answer: %w", method, err)
	}
	return nil
}
