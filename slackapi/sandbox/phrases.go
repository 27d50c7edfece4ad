package sandbox

import (
	"fmt"
	"strings"
)

// say makes up what a person writes: one message in four is a few words, most are one or two
// sentences, and some are long, with a list or with code.
func (g *generator) say(channel int) string {
	switch n := g.IntN(100); {
	case n < 24:
		return pick(g, shortWords)
	case n < 58:
		return pick(g, sentences)(g, channel)
	case n < 82:
		return g.several(2, channel)
	case n < 92:
		return g.several(3+g.IntN(2), channel)
	case n < 96:
		return pick(g, sentences)(g, channel) + "\n" + g.list(channel)
	case n < 98:
		return pick(g, sentences)(g, channel) + "\n```" + pick(g, codeSamples) + "```"
	default:
		return g.several(5+g.IntN(3), channel)
	}
}

func (g *generator) several(n, channel int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = pick(g, sentences)(g, channel)
	}
	return strings.Join(parts, " ")
}

func (g *generator) list(channel int) string {
	var lines []string
	for range 3 + g.IntN(3) {
		lines = append(lines, "• "+pick(g, sentences)(g, channel))
	}
	return strings.Join(lines, "\n")
}

// who mentions a person; the channel's topic mentions nobody.
func (g *generator) who(channel int) string {
	switch {
	case channel < 0:
		return "the team"
	case g.chance(4):
		return "<@" + BotUser + ">"
	}
	members := g.out.Channels[channel].Members
	return "<@" + members[g.IntN(len(members))] + ">"
}

// where mentions a channel.
func (g *generator) where(channel int) string {
	if channel < 0 {
		return "the channel"
	}
	c := g.out.Channels[g.IntN(max(len(g.out.Channels)*3/5, 1))]
	return "<#" + c.ID + "|" + c.Name + ">"
}

func (g *generator) topic() string { return pick(g, channelWords[1]) }
func (g *generator) day() string {
	return pick(g, strings.Fields("Monday Tuesday Wednesday Thursday Friday tomorrow today"))
}

func (g *generator) link() string {
	return fmt.Sprintf("<https://%s.harbour-finch.example/%s/%d>", pick(g, strings.Fields("docs git tickets board status")), g.topic(), 100+g.IntN(9000))
}

var shortWords = strings.Split("Thanks!|On it|:+1:|Done :white_check_mark:|Looks good to me|Same here|Makes sense, thank you|I'll take a look|Sounds good|Not yet, sorry|Yes please|Can you share the link?|Agreed|Good catch|Let me check|That works for me|Morning all|Nice work :tada:|Hm, that is odd|Will do after lunch", "|")

var codeSamples = []string{
	"kubectl -n checkout rollout undo deploy/api\ndeployment.apps/api rolled back",
	"SELECT status, count(*) FROM orders\nWHERE created_at > now() - interval '1 day'\nGROUP BY 1;",
	"panic: runtime error: index out of range [3] with length 3\n\tcart.go:118 +0x1d4",
	"{\"error\":\"card_declined\",\"request_id\":\"req_81f2\"}",
}

// sentences are kinds of sentences as colleagues write them, to an ordinary length.
var sentences = []func(*generator, int) string{
	func(g *generator, c int) string {
		return fmt.Sprintf("%s could you have a look at the %s numbers before %s?", g.who(c), g.topic(), g.day())
	},
	func(g *generator, c int) string {
		return fmt.Sprintf("I moved the %s ticket to %s because we are still waiting for %s.", g.topic(), g.day(), g.who(c))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("The new %s page is %d%% faster on mobile, mostly because we stopped loading the fonts twice.", g.topic(), 5+g.IntN(40))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("Here is the document we talked about: %s", g.link())
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("We decided to keep the old %s flow until the end of the quarter and to remove it after the audit.", g.topic())
	},
	func(g *generator, c int) string {
		return fmt.Sprintf("Does anyone know who owns %s now that the team has moved to %s?", g.topic(), g.where(c))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("A customer reports that %s fails with error %d when the address has an apartment number.", g.topic(), 400+g.IntN(120))
	},
	func(g *generator, c int) string {
		return fmt.Sprintf("Reminder: the %s review is on %s at %d:00, please add your points to the agenda.", g.topic(), g.day(), 9+g.IntN(8))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("I rolled it back, the error rate is down to %d.%d%% again and I keep watching it.", g.IntN(2), g.IntN(10))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("The contract with the %s vendor ends in %d days, do we want to extend it?", g.topic(), 10+g.IntN(80))
	},
	func(g *generator, c int) string {
		return fmt.Sprintf("%s and I paired on this yesterday and the fix is in review: %s", g.who(c), g.link())
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("Can we ship without the %s banner? Legal has not answered yet and I do not want to wait until %s.", g.topic(), g.day())
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("The test on staging is flaky: it passed %d times and then failed twice in a row with a timeout.", 3+g.IntN(20))
	},
	func(g *generator, _ int) string {
		return "I am out this afternoon, my notes are in the thread above."
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("Budget for %s is approved: %d,%03d € until December.", g.topic(), 4+g.IntN(90), g.IntN(10)*100)
	},
	func(g *generator, c int) string {
		return fmt.Sprintf("Let's continue in %s so that everybody can follow.", g.where(c))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("I think the root cause is the cache in front of %s, it keeps answers for `%d` seconds although the header says otherwise.", g.topic(), 30*(1+g.IntN(20)))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("*Decision*: we take option %s for %s, the trade-offs are written down here %s", pick(g, []string{"A", "B", "C"}), g.topic(), g.link())
	},
	func(g *generator, c int) string {
		return fmt.Sprintf("Who can approve %s? I asked %s but they are travelling.", g.link(), g.who(c))
	},
	func(g *generator, _ int) string {
		return fmt.Sprintf("The quarterly report for %s is missing the numbers of %s, apart from that it is ready.", g.topic(), pick(g, strings.Fields("January February March April May")))
	},
}

// botPost makes a post of one of the bots in attachments, in blocks, or in both.
func (g *generator) botPost(m *FileMessage) {
	i := g.IntN(len(g.out.Bots))
	m.Bot = g.out.Bots[i].ID
	host, service := fmt.Sprintf("web-%d", 1+g.IntN(9)), g.topic()
	switch i {
	case 0:
		g.alert(m, host, service)
	case 1:
		g.build(m, service)
	case 2:
		g.ticket(m, service)
	case 3:
		g.incident(m, host, service)
	default:
		m.Text = fmt.Sprintf("Release %d.%d of %s is out: %s", 2+g.IntN(7), g.IntN(30), service, g.link())
	}
}

func (g *generator) alert(m *FileMessage, host, service string) {
	state := pick(g, []string{"firing", "resolved"})
	m.Attachments = mustJSON([]object{{
		"id": 1, "color": map[string]string{"firing": "d63232", "resolved": "2eb886"}[state],
		"fallback": fmt.Sprintf("[%s] HighLatency %s", strings.ToUpper(state), service), "title": fmt.Sprintf("[%s] HighLatency %s", strings.ToUpper(state), service),
		"title_link": strings.Trim(g.link(), "<>"), "text": fmt.Sprintf("p95 of %s is %d ms on %s", service, 300+g.IntN(4000), host),
		"fields": []object{
			{"title": "Host", "value": host, "short": true},
			{"title": "Severity", "value": pick(g, []string{"warning", "critical"}), "short": true},
			{"title": "Summary", "value": "Requests are slower than the objective for 10 minutes", "short": false},
		},
		"footer": fmt.Sprintf("rule %d", 1+g.IntN(40)),
	}})
}

func (g *generator) build(m *FileMessage, service string) {
	number, result := 1000+g.IntN(9000), pick(g, []string{"passed", "passed", "passed", "failed"})
	m.Text = fmt.Sprintf("Build %d of %s %s", number, service, result)
	m.Blocks = mustJSON([]object{
		{"type": "section", "block_id": "b1", "text": object{"type": "mrkdwn", "text": fmt.Sprintf("*Build %d* of `%s` *%s* in %dm%02ds", number, service, result, 1+g.IntN(20), g.IntN(60)), "verbatim": false}},
		{"type": "context", "block_id": "b2", "elements": []object{{"type": "mrkdwn", "text": fmt.Sprintf("%s · commit `%07x` · %s", g.link(), g.IntN(1<<28), pick(g, g.out.People).RealName), "verbatim": false}}},
	})
}

func (g *generator) ticket(m *FileMessage, service string) {
	number := 100 + g.IntN(9000)
	author := pick(g, g.out.People).RealName
	m.Text = fmt.Sprintf("%s opened a ticket", author)
	m.Attachments = mustJSON([]object{{
		"id": 1, "color": "36a64f", "author_name": author, "title": fmt.Sprintf("%s-%d %s: customers cannot change their address", strings.ToUpper(service[:3]), number, service),
		"title_link": strings.Trim(g.link(), "<>"), "text": pick(g, sentences)(g, -1), "fallback": fmt.Sprintf("%s-%d", strings.ToUpper(service[:3]), number),
		"fields": []object{{"title": "Priority", "value": pick(g, []string{"Low", "Medium", "High"}), "short": true}, {"title": "Assignee", "value": pick(g, g.out.People).RealName, "short": true}},
	}})
}

func (g *generator) incident(m *FileMessage, host, service string) {
	m.Text = "This content can't be displayed."
	m.Blocks = mustJSON([]object{
		{"type": "header", "block_id": "h", "text": object{"type": "plain_text", "text": fmt.Sprintf("Incident %d: %s is degraded", 100+g.IntN(900), service), "emoji": true}},
		{"type": "section", "block_id": "f", "fields": []object{
			{"type": "mrkdwn", "text": "*Severity*\nSEV-" + fmt.Sprint(1+g.IntN(3)), "verbatim": false},
			{"type": "mrkdwn", "text": "*Host*\n" + host, "verbatim": false},
			{"type": "mrkdwn", "text": "*Commander*\n" + pick(g, g.out.People).RealName, "verbatim": false},
		}},
		{"type": "section", "block_id": "t", "text": object{"type": "mrkdwn", "text": pick(g, sentences)(g, -1), "verbatim": false}},
		{"type": "actions", "block_id": "a", "elements": []object{
			{"type": "button", "action_id": "ack", "text": object{"type": "plain_text", "text": "Acknowledge", "emoji": true}, "value": "ack"},
		}},
	})
}
