package toolset_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

func define(name, set string, standard bool, effect toolset.Effect) toolset.Tool {
	t := valid(name)
	t.Set, t.Default, t.Effect = set, standard, effect
	if !effect.ReadOnly() {
		t.Scope = access.Write
	}
	return toolset.Define(t, func(context.Context, *toolset.Call, struct{}) (struct{}, error) { return struct{}{}, nil })
}

func catalog(t *testing.T) *toolset.Catalog {
	t.Helper()
	c, err := toolset.NewCatalog(
		define("write_b", "messages", true, toolset.Adds),
		define("read_a", "messages", true, toolset.Reads),
		define("read_c", "files", false, toolset.Reads),
		define("delete_d", "files", false, toolset.Destroys),
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChoose(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	for name, tc := range map[string]struct {
		choice toolset.Choice
		want   []string
	}{
		"nothing chosen is the default":   {toolset.Choice{}, []string{"read_a", "write_b"}},
		"all":                             {toolset.Choice{Toolsets: []string{"all"}}, []string{"read_a", "write_b", "delete_d", "read_c"}},
		"one toolset":                     {toolset.Choice{Toolsets: []string{"files"}}, []string{"delete_d", "read_c"}},
		"several in one text":             {toolset.Choice{Toolsets: []string{" files, default "}}, []string{"read_a", "write_b", "delete_d", "read_c"}},
		"single tools alone":              {toolset.Choice{Tools: []string{"read_c"}}, []string{"read_c"}},
		"single tools besides a toolset":  {toolset.Choice{Toolsets: []string{"messages"}, Tools: []string{"read_c"}}, []string{"read_a", "write_b", "read_c"}},
		"read-only":                       {toolset.Choice{Toolsets: []string{"all"}, ReadOnly: true}, []string{"read_a", "read_c"}},
		"read-only wins over a tool":      {toolset.Choice{Tools: []string{"delete_d", "read_c"}, ReadOnly: true}, []string{"read_c"}},
		"empty names are no names at all": {toolset.Choice{Toolsets: []string{""}, Tools: []string{","}}, []string{"read_a", "write_b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chosen, err := c.Choose(tc.choice)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, tool := range chosen {
				got = append(got, tool.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	_, err := c.Choose(toolset.Choice{Toolsets: []string{"mesages"}, Tools: []string{"reada", "zzzzzzzz"}})
	want := "unknown toolset \"mesages\": did you mean \"messages\"?\nunknown tool \"reada\": did you mean \"read_a\"?\n" +
		"unknown tool \"zzzzzzzz\": there are read_a, write_b, delete_d, read_c"
	if err == nil || err.Error() != want {
		t.Errorf("unknown names: %v\nwant %s", err, want)
	}
}

func TestNewCatalogRefuses(t *testing.T) {
	t.Parallel()
	type undocumented struct {
		X string `json:"x"`
	}
	type nameless struct {
		X string `json:",omitempty"`
	}
	type odd struct {
		X chan int `json:"x"`
	}
	bad := valid("Bad-Name")
	bad.Title = ""
	writer := valid("writer")
	writer.Effect = toolset.Adds
	unjudged, unexplained := valid("unjudged"), valid("unexplained")
	unjudged.For, unexplained.For = 0, toolset.ServiceOnly
	for want, tool := range map[string]toolset.Tool{
		"not snake_case":           toolset.Define(bad, func(context.Context, *toolset.Call, struct{}) (struct{}, error) { return struct{}{}, nil }),
		"not made by Define":       valid("raw"),
		"argument x has no doc":    toolset.Define(valid("a"), func(context.Context, *toolset.Call, undocumented) (struct{}, error) { return struct{}{}, nil }),
		"no json name":             toolset.Define(valid("b"), func(context.Context, *toolset.Call, nameless) (struct{}, error) { return struct{}{}, nil }),
		"no place in a schema":     toolset.Define(valid("c"), func(context.Context, *toolset.Call, struct{}) (odd, error) { return odd{}, nil }),
		"contradict each other":    toolset.Define(writer, func(context.Context, *toolset.Call, struct{}) (struct{}, error) { return struct{}{}, nil }),
		"does not say whom it is":  toolset.Define(unjudged, func(context.Context, *toolset.Call, struct{}) (struct{}, error) { return struct{}{}, nil }),
		"why it is not for people": toolset.Define(unexplained, func(context.Context, *toolset.Call, struct{}) (struct{}, error) { return struct{}{}, nil }),
		"there are two of this":    define("read_a", "s", false, toolset.Reads),
		"tool \"Bad-Name\": name":  toolset.Define(bad, func(context.Context, *toolset.Call, struct{}) (struct{}, error) { return struct{}{}, nil }),
	} {
		_, err := toolset.NewCatalog(tool, define("read_a", "s", false, toolset.Reads))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", tool.Name, err, want)
		}
	}
}

func TestGrant(t *testing.T) {
	t.Parallel()
	tool := func(needs, userNeeds []string) *toolset.Tool {
		return &toolset.Tool{Needs: needs, UserNeeds: userNeeds}
	}
	known := func(bot, user []string, hasUser bool) toolset.Grant {
		return toolset.Grant{Known: true, Bot: bot, User: user, HasUser: hasUser}
	}
	for name, tc := range map[string]struct {
		grant toolset.Grant
		tool  *toolset.Tool
		want  []string
	}{
		"a tool that calls nothing":               {known(nil, nil, false), tool(nil, nil), nil},
		"scopes that are not known":               {toolset.Grant{}, tool([]string{"a"}, nil), nil},
		"a scope that is there":                   {known([]string{"a"}, nil, false), tool([]string{"a"}, nil), nil},
		"one of two that would do":                {known([]string{"b"}, nil, false), tool([]string{"a|b"}, nil), nil},
		"all are needed":                          {known([]string{"a"}, nil, false), tool([]string{"a", "b"}, nil), []string{"b"}},
		"a user token in place of the bot's":      {known(nil, []string{"u"}, true), tool([]string{"a"}, []string{"u"}), nil},
		"neither token is enough":                 {known(nil, []string{"x"}, true), tool([]string{"a"}, []string{"u"}), []string{"a"}},
		"a user's tool without a user token":      {toolset.Grant{}, tool(nil, []string{"u"}), []string{"user token: u"}},
		"a user's tool with a token of no scope":  {known(nil, nil, true), tool(nil, []string{"u"}), []string{"user token: u"}},
		"a user's tool, scopes not known yet":     {toolset.Grant{HasUser: true}, tool(nil, []string{"u"}), nil},
		"a user's tool and the scope of the user": {known(nil, []string{"u"}, true), tool(nil, []string{"u"}), nil},
		"a bot's tool with a user token alone":    {toolset.Grant{Known: true, User: []string{"a"}, HasUser: true, Alone: true}, tool([]string{"a"}, nil), nil},
		"and without the scope":                   {toolset.Grant{Known: true, User: []string{"x"}, HasUser: true, Alone: true}, tool([]string{"a"}, nil), []string{"user token: a"}},
		"of both kinds the user's scopes count":   {toolset.Grant{Known: true, User: []string{"a"}, HasUser: true, Alone: true}, tool([]string{"a"}, []string{"u"}), []string{"user token: u"}},
		"a token alone of unknown scopes":         {toolset.Grant{HasUser: true, Alone: true}, tool([]string{"a"}, []string{"u"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, tc.grant.Missing(tc.tool)); diff != "" {
				t.Errorf("Missing (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusedTokenEndsCalls asks which tools are ended by the refusal of the bot token.
func TestRefusedTokenEndsCalls(t *testing.T) {
	t.Parallel()
	refused := errors.New("token_revoked")
	for _, tc := range []struct {
		name  string
		tool  toolset.Tool
		grant toolset.Grant
		ends  bool
	}{
		{"a bot's tool", toolset.Tool{Needs: []string{"channels:read"}}, toolset.Grant{Refused: refused}, true},
		{"a tool that calls nothing in Slack", toolset.Tool{}, toolset.Grant{Refused: refused}, false},
		{"a tool that a user token can stand in for", toolset.Tool{Needs: []string{"a"}, UserNeeds: []string{"b"}}, toolset.Grant{HasUser: true, Refused: refused}, false},
		{"a user's tool when the user token alone is refused", toolset.Tool{UserNeeds: []string{"b"}}, toolset.Grant{HasUser: true, Alone: true, Refused: refused}, true},
		{"a user's tool without a user token", toolset.Tool{UserNeeds: []string{"b"}}, toolset.Grant{Refused: refused}, true},
		{"a token that is taken", toolset.Tool{Needs: []string{"channels:read"}}, toolset.Grant{}, false},
	} {
		if err := tc.grant.Refuses(&tc.tool); (err != nil) != tc.ends {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestWriteReference(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := catalog(t).WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| [messages](#messages) | 2 | 2 |", "### read_c", "removes or overwrites", "It takes no arguments."} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the reference lacks %q:\n%s", want, b.String())
		}
	}
}
