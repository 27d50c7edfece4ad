// Command tokens counts what the tools cost a model: it starts the shipped binary beside a
// workspace that the sandbox loads from a file, which is always the same, asks for what the
// rows of its table name, and counts the answers with the tokenizer o200k. It prints a table in
// Markdown.
//
// Tools are counted as minified JSON of name, description and inputSchema, which is what
// clients hand to a model. A result is counted once: clients pass either the text of content or
// structuredContent, and the server writes the same JSON to both; the command fails where
// the two differ. The few clients that pass both pay twice.
//
//	go run . -server ../../bin/slack-webhook-server
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/tiktoken-go/tokenizer"

	"slackmcp/test/internal/driver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the command's flags.
type options struct {
	server, write, before string
	save                  bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("tokens", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.server, "server", "../../bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.write, "write", "", "also write the table to this file, between its tokens markers")
	fs.StringVar(&o.before, "before", "before.json", "the figures of an earlier build, for the column before")
	fs.BoolVar(&o.save, "save", false, "write the figures to -before, in place of reading it")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if err := report(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "tokens:", err)
		return 1
	}
	return 0
}

// report measures, and prints and writes the table.
func report(ctx context.Context, o options, stdout io.Writer) error {
	server, err := filepath.Abs(o.server)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	figures, err := measure(ctx, server)
	if err != nil {
		return err
	}
	before := map[string]int{}
	if o.save {
		for _, r := range rows {
			before[r.key] = figures[r.key]
		}
		data, err := json.MarshalIndent(before, "", " ")
		if err == nil {
			err = os.WriteFile(o.before, append(data, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
	} else if data, err := os.ReadFile(o.before); err == nil {
		if err := json.Unmarshal(data, &before); err != nil {
			return fmt.Errorf("%s: %w", o.before, err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	table := markdown(before, figures)
	if _, err := io.WriteString(stdout, table); err != nil || o.write == "" {
		return err
	}
	return driver.Replace(o.write, "tokens", table)
}

// A row is one figure of the table.
type row struct {
	key, what string
	aim       int // 0 has none
}

var rows = []row{
	{"tools_default", "default tools: name, description, input schema", 3_500},
	{"tools_default_number", "their number", 0},
	{"tools_all", "all tools, with a bot token and a user token", 8_500},
	{"tools_all_number", "their number", 0},
	{"messages_50", "50 messages of a channel", 0},
	{"messages_50_words", "of these the words that they show", 0},
	{"messages_50_beside", "beside the words, for each message", 45},
	{"messages_200", "200 messages of a channel, in pages of the server's choice", 15_500},
	{"messages_200_pages", "their pages", 0},
	{"messages_200_characters", "characters of the longest page", 40_000},
	{"events_50", "50 events", 3_700},
	{"channels_200", "200 channels", 5_000},
	{"users_200", "200 users", 4_500},
}

func markdown(before, now map[string]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, o200k\n\n| what a client hands to the model | before | now | aim | |\n|---|---:|---:|---:|---|\n", driver.Heading())
	for _, r := range rows {
		earlier, aim, met := "", "", ""
		if n, ok := before[r.key]; ok {
			earlier = fmt.Sprint(n)
		}
		if r.aim > 0 {
			aim, met = fmt.Sprint(r.aim), "missed"
			if now[r.key] <= r.aim {
				met = "met"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", r.what, earlier, now[r.key], aim, met)
	}
	return b.String()
}

// A counter counts tokens.
type counter struct{ codec tokenizer.Codec }

func newCounter() (counter, error) {
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	return counter{codec}, err
}

func (c counter) count(text string) (int, error) { return c.codec.Count(text) }
