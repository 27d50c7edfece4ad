module slackmcp/test/tokens

go 1.26.0

require (
	github.com/tiktoken-go/tokenizer v0.10.0
	slackmcp v0.0.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/dlclark/regexp2/v2 v2.5.1 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
)

replace slackmcp => ../..
