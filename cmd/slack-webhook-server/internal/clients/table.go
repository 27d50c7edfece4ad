package clients

import "strings"

// pythonTest, programTest and the others ran what the rows say.
const (
	pythonTest  = "`test/e2e` TestPythonClients"
	programTest = "`test/e2e` TestClientPrograms (`make clients`)"
	remoteTest  = "`test/e2e` TestClientConfig"
)

// table has each client. Facts that no test shows are from the client's own documentation of November 2026.
var table = []Client{
	{
		Name: "claude-code", Title: "Claude Code", Version: "2.1.332", Seen: programTest,
		File: "save this as .mcp.json in your project, or merge it there",
		Text: func(s Server) string {
			return named("mcpServers", object{"type": "http", "url": s.URL}.with(s, "${"+TokenVariable+"}"))
		},
		Notes: "For all projects: claude mcp add --scope user --transport http slack <address> --header 'Authorization: Bearer ${" + TokenVariable + "}', with the quotes as they are.\nMessages of chosen people can be pushed into the conversation: docs/channels.md.",
		Tools: Seen, Resources: Documented, Updates: No, Events: Documented, SignIn: Documented,
	},
	{
		Name: "claude-desktop", Title: "Claude Desktop", Version: "",
		File:    "merge this into claude_desktop_config.json (Settings, Developer, Edit Config)",
		Text:    remoteFile,
		Literal: true,
		Notes:   "It starts programs; mcp-remote, which needs Node 20 or newer, connects it. Where people sign in, a connector with the address needs no file; it connects from Anthropic's servers, so over the internet.",
		Tools:   Documented, Resources: Documented, Updates: No, Events: No, SignIn: Documented,
	},
	{
		Name: "claude-ai", Title: "claude.ai",
		File:       "give this address under Settings, Connectors, Add custom connector",
		Text:       address,
		SignInOnly: true,
		Tools:      Documented, Resources: Documented, Updates: No, Events: No, SignIn: Documented,
	},
	{
		Name: "chatgpt", Title: "ChatGPT",
		File:       "switch developer mode on, create a connector, and give this address",
		Text:       address,
		SignInOnly: true,
		Notes:      "Its page on events is held point by point by `test/e2e` TestChatGPTProfile; the service itself was not tried.",
		Tools:      Documented, Resources: Documented, Updates: No, Events: Documented, SignIn: Documented,
	},
	{
		Name: "cursor", Title: "Cursor",
		File: "save this as .cursor/mcp.json in your project, or merge it into ~/.cursor/mcp.json",
		Text: func(s Server) string {
			return named("mcpServers", object{"url": s.URL}.with(s, "${env:"+TokenVariable+"}"))
		},
		Tools: Documented, Resources: Documented, Updates: Unknown, Events: No, SignIn: Documented,
	},
	{
		Name: "vscode", Title: "VS Code",
		File:  "save this as .vscode/mcp.json in your project, or merge it there",
		Text:  codeFile,
		Asks:  true,
		Notes: "Sessions that run in the harness of Copilot get no server that asks for something: they read .mcp.json at the root of the workspace.",
		Tools: Documented, Resources: Documented, Updates: Documented, Events: No, SignIn: Documented,
	},
	{
		Name: "codex", Title: "Codex", Version: "0.171.0", Seen: programTest,
		File: "add this to ~/.codex/config.toml",
		Text: func(s Server) string {
			text := "[mcp_servers.slack]\nurl = \"" + s.URL + "\"\n"
			if s.Token {
				text += "bearer_token_env_var = \"" + TokenVariable + "\"\n"
			}
			return text
		},
		Notes: "Where people sign in: codex mcp login slack.",
		Tools: Seen, Resources: Documented, Updates: No, Events: No, SignIn: Documented,
	},
	{
		Name: "gemini-cli", Title: "Gemini CLI", Version: "0.61.0", Seen: programTest,
		File: "merge this into ~/.gemini/settings.json",
		Text: func(s Server) string {
			return named("mcpServers", object{"httpUrl": s.URL}.with(s, "$"+TokenVariable))
		},
		Notes: "It connects in folders that you trust. Where people sign in: /mcp auth slack.",
		Tools: Seen, Resources: Documented, Updates: Unknown, Events: No, SignIn: Documented,
	},
	{
		Name: "opencode", Title: "opencode", Version: "1.18.33", Seen: programTest,
		File: "save this as opencode.json in your project, or merge it into ~/.config/opencode/opencode.json",
		Text: func(s Server) string {
			entry := object{"type": "remote", "url": s.URL, "enabled": true}.with(s, "{env:"+TokenVariable+"}")
			if s.Token {
				entry["oauth"] = false
			}
			return document(object{"$schema": "https://opencode.ai/config.json", "mcp": object{"slack": entry}})
		},
		Notes: "This is the form of version 1. Where people sign in: opencode mcp auth slack.",
		Tools: Seen, Resources: Documented, Updates: Unknown, Events: No, SignIn: Documented,
	},
	{
		Name: "inspector", Title: "MCP Inspector", Version: "2.12.0", Seen: programTest,
		File: "run this; it needs Node 22.19 or newer",
		Text: func(s Server) string {
			line := "npx -y @modelcontextprotocol/inspector --cli " + s.URL + " --transport http --method tools/list"
			if s.Token {
				line += " --header \"Authorization: Bearer $" + TokenVariable + "\""
			}
			return line + "\n"
		},
		Notes: "Everybody on this machine can read the token in the arguments of that process while it runs.",
		Tools: Seen, Resources: Seen, Updates: Documented, Events: No, SignIn: Documented,
	},
	{
		Name: "mcporter", Title: "mcporter", Version: "0.12.3", Seen: programTest,
		File: "save this as config/mcporter.json in your project, or merge it into ~/.mcporter/mcporter.json",
		Text: func(s Server) string {
			return named("mcpServers", object{"baseUrl": s.URL}.with(s, "${"+TokenVariable+"}"))
		},
		Notes: "Then: npx -y mcporter call slack.slack_list_channels. Where people sign in: npx -y mcporter auth slack. It needs Node 24 or newer.",
		Tools: Seen, Resources: Documented, Updates: No, Events: No, SignIn: Documented,
	},
	{
		Name: "mcp-remote", Title: "mcp-remote", Version: "0.15.1", Seen: remoteTest,
		File:    "write this where a client that only starts programs has its servers",
		Text:    remoteFile,
		Literal: true,
		Notes:   "The header is put together by mcp-remote, so that the token stands in no argument of a process.",
		Tools:   Seen, Resources: Seen, Updates: Unknown, Events: No, SignIn: Seen,
	},
	{
		Name: "python-sdk", Title: "Python SDK (`mcp`)", Version: "2.3.0", Seen: pythonTest,
		File:  "a program; pip install mcp",
		Text:  pythonSDK,
		Notes: "Signing in is its OAuthClientProvider. Version 1.30.0 was tried, too, by LangChain's adapters.",
		Tools: Seen, Resources: Seen, Updates: Seen, Events: No, SignIn: Seen,
	},
	{
		Name: "fastmcp", Title: "FastMCP's client", Version: "4.2.3", Seen: pythonTest,
		File: "a program; pip install fastmcp",
		Text: func(s Server) string {
			return python(s, []string{"from fastmcp import Client", "from fastmcp.client.transports import StreamableHttpTransport"}, `
    async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:
        print(len(await client.list_tools()), "tools")
        print((await client.call_tool("slack_list_channels", {})).data)
`)
		},
		Tools: Seen, Resources: Seen, Updates: Seen, Events: No, SignIn: Documented,
	},
	{
		Name: "openai-agents", Title: "OpenAI Agents SDK", Version: "0.24.0", Seen: pythonTest,
		File: "a program; pip install openai-agents",
		Text: func(s Server) string {
			return python(s, []string{"from agents import Agent, Runner", "from agents.mcp import MCPServerStreamableHttp"}, `
    async with MCPServerStreamableHttp(params={"url": URL, "headers": HEADERS}, client_session_timeout_seconds=60) as slack:
        agent = Agent(name="Assistant", instructions="Use Slack.", mcp_servers=[slack])
        print((await Runner.run(agent, "Which channels are there?")).final_output)
`)
		},
		Tools: Seen, Resources: Seen, Updates: No, Events: No, SignIn: No,
	},
	{
		Name: "langchain", Title: "LangChain's adapters", Version: "0.3.2", Seen: pythonTest,
		File: "a program; pip install langchain-mcp-adapters",
		Text: func(s Server) string {
			return python(s, []string{"from langchain_mcp_adapters.client import MultiServerMCPClient"}, `
    client = MultiServerMCPClient({"slack": {"transport": "streamable_http", "url": URL, "headers": HEADERS}})
    tools = await client.get_tools()  # for create_agent(model, tools)
    print(len(tools), "tools")
    print(await next(t for t in tools if t.name == "slack_list_channels").ainvoke({}))
`)
		},
		Notes: "It stands on version 1 of the Python SDK.",
		Tools: Seen, Resources: Seen, Updates: Seen, Events: No, SignIn: No,
	},
	{
		Name: "pydantic-ai", Title: "Pydantic AI", Version: "2.68.0", Seen: pythonTest,
		File: "a program; pip install 'pydantic-ai-slim[mcp,openai]'",
		Text: func(s Server) string {
			return python(s, []string{"from pydantic_ai import Agent", "from pydantic_ai.mcp import MCPToolset"}, `
    agent = Agent("openai:gpt-5", toolsets=[MCPToolset(URL, headers=HEADERS)])
    print((await agent.run("Which channels are there?")).output)
`)
		},
		Tools: Seen, Resources: Seen, Updates: No, Events: No, SignIn: Documented,
	},
	{
		Name: "ai-sdk", Title: "AI SDK (`@ai-sdk/mcp`)", Version: "2.0.99", Seen: remoteTest,
		File: "a program; npm install @ai-sdk/mcp",
		Text: func(s Server) string {
			headers := ""
			if s.Token {
				headers = ", headers: { Authorization: 'Bearer ' + process.env." + TokenVariable + " }"
			}
			return `import { createMCPClient } from '@ai-sdk/mcp';

const client = await createMCPClient({ transport: { type: 'http', url: '` + s.URL + `'` + headers + ` } });
const tools = await client.tools(); // for generateText({ model, tools, prompt })
console.log(Object.keys(tools).length, 'tools');
console.log(await tools.slack_list_channels.execute({}, { toolCallId: '1', messages: [] }));
await client.close();
`
		},
		Tools: Seen, Resources: Documented, Updates: Unknown, Events: Seen, SignIn: Documented,
	},
}

// address is what clients take that are given nothing else.
func address(s Server) string { return s.URL + "\n" }

// remoteFile starts mcp-remote, which puts the header together from its environment.
func remoteFile(s Server) string {
	args := []string{"-y", "mcp-remote@0.15.1", s.URL}
	if s.plain() {
		args = append(args, "--allow-http")
	}
	entry := object{"command": "npx"}
	if s.Token {
		args = append(args, "--header", "Authorization:${SLACK_MCP_AUTHORIZATION}")
		entry["env"] = object{"SLACK_MCP_AUTHORIZATION": "Bearer " + s.literal()}
	} else {
		args = append(args, "--auth-timeout", "300")
	}
	entry["args"] = args
	return named("mcpServers", entry)
}

// codeFile has VS Code ask for the token.
func codeFile(s Server) string {
	file := object{"servers": object{"slack": object{"type": "http", "url": s.URL}.with(s, "${input:slack-mcp-token}")}}
	if s.Token {
		file["inputs"] = []object{{"type": "promptString", "id": "slack-mcp-token", "description": "The MCP token of slack-webhook-server", "password": true}}
	}
	return document(file)
}

// python is a program whose main does what body says.
func python(s Server, imports []string, body string) string {
	headers := "{}"
	if s.Token {
		headers = `{"Authorization": "Bearer " + os.environ["` + TokenVariable + `"]}`
	}
	return "import asyncio\nimport os\n\n" + strings.Join(imports, "\n") + "\n\nURL = \"" + s.URL + "\"\nHEADERS = " + headers +
		"\n\n\nasync def main():\n" + strings.TrimPrefix(body, "\n") + "\n\nasyncio.run(main())\n"
}

// pythonSDK is the official SDK, which also listens.
func pythonSDK(s Server) string {
	return python(s, []string{"import httpx2", "from mcp import Client", "from mcp.client.streamable_http import streamable_http_client"}, `
    async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            print(len((await client.list_tools()).tools), "tools")
            print((await client.call_tool("slack_list_channels", {})).structured_content)
            # async with client.listen(resource_subscriptions=["slack://events"]) as updates: async for update in updates: ...
`)
}
