package rule_test

import (
	"strings"
	"testing"

	"slackmcp/webhook/rule"
)

// TestWhatCanNeverMatchIsRefused has rules that no event could start, and such as look alike.
func TestWhatCanNeverMatchIsRefused(t *testing.T) {
	senders := []rule.Sender{{Name: "shop", Typed: true, Headers: []string{"X-Shop-Domain"}}, {Name: "till"}}
	for when, want := range map[string]string{
		"{source: shpo}":                                                             "line 3: there is no source shpo: write one of slack, receipts, gaps, shop, till",
		"{source: [slack, shpo]}":                                                    "there is no source shpo",
		"{type: order.*}":                                                            `event type "order.*" can never match: * stands alone`,
		"{type: '*/paid'}":                                                           "can never match",
		"{source: slack, type: Message}":                                             `line 3: no event of Slack's can be of the type "Message"`,
		"{source: slack, type: reaction.added}":                                      "no event of Slack's can be",
		"{source: slack, channel: c0123456789}":                                      "ids have capitals and digits alone",
		"{source: shop, type: message.channels}":                                     "message.channels is a message in a place of Slack's",
		"{source: shop, channel: C1}":                                                "channel, user and team are Slack's",
		"{source: till, type: paid}":                                                 `no event of till can be of the type "paid": the source names no place of a type`,
		"{type: message/channel_join, subtype: bot_message}":                         "no event has one of these types and one of these subtypes",
		"{match: {a: {exists: false, equals: b}}}":                                   "no event can match: what does not exist has no text",
		"{source: shop, match: {header:X-Other: a}}":                                 "no source of this rule keeps the header X-Other",
		"{source: slack, match: {header:X-Shop-Domain: a}}":                          "no source of this rule keeps the header X-Shop-Domain",
		"{source: shop, match: {header:x-shop-domain: a}}":                           "",
		"{match: {header:X-Shop-Domain: a}}":                                         "",
		"{match: {header:X-Other: {exists: false}}}":                                 "",
		"{source: [slack, till], type: paid}":                                        "",
		"{source: till, type: till}":                                                 "",
		"{source: shop, type: [Order.Paid, orders/create/x]}":                        "",
		"{source: receipts, type: receipt/delivered}":                                "",
		"{source: [shop, slack], channel: C1}":                                       "",
		"{source: slack, type: [message.im, message/, '*']}":                         "",
		"{type: [message/channel_join, reaction_added], subtype: [channel_join, x]}": "",
	} {
		_, err := rule.Parse("rules.yaml", []byte("rules:\n  - name: a\n    when: "+when+"\n    log: {}\n"), env, senders)
		if got := err == nil; got != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
	// Whoever does not know the sources does not judge them.
	if _, err := rule.Parse("rules.yaml", []byte("rules: [{name: a, when: {source: shpo, match: {header:X: a}}, log: {}}]"), env, nil); err != nil {
		t.Error(err)
	}
}
