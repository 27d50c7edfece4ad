package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"slackmcp/server/metrics"
)

// A chart is one line over the last hour, as a template draws it: with its number, and in words for who does not
// see it.
type chart struct {
	ID, Title string
	// Now is the newest figure with its unit, Words what the line shows.
	Now, Words string
	// Line and Area are the points of the drawing; Most is what its top stands for.
	Line, Area, Most string
	// Bad says that the newest figure is one to look at.
	Bad bool
}

// The size of the drawing.
const (
	chartWidth  = 240
	chartHeight = 48
)

// A measure is what a chart shows of each moment.
type measure struct {
	id, title string
	of        func(*metrics.Moment) float64
	show      func(float64) string
	trouble   bool // more than none is one to look at
}

var measures = []measure{
	{"depth", "Waiting events", func(m *metrics.Moment) float64 { return m.Waiting }, whole, false},
	{"lag", "Oldest waiting event", func(m *metrics.Moment) float64 { return m.Oldest }, seconds, false},
	{"dead", "Dead letters", func(m *metrics.Moment) float64 { return m.Dead }, whole, true},
	{"accepted", "Events stored", func(m *metrics.Moment) float64 { return m.Accepted }, perSecond, false},
	{"handled", "Events handled", func(m *metrics.Moment) float64 { return m.Handled }, perSecond, false},
	{"ack", "Answered within, 95 of 100", func(m *metrics.Moment) float64 { return m.Ack }, seconds, false},
	{"work", "Handled within, 95 of 100", func(m *metrics.Moment) float64 { return m.Work }, seconds, false},
	{"refused", "Deliveries refused", func(m *metrics.Moment) float64 { return m.Refused }, perSecond, true},
	{"failed", "Handlers failed", func(m *metrics.Moment) float64 { return m.Failed }, perSecond, true},
	{"calls", "Tool calls", func(m *metrics.Moment) float64 { return m.Calls }, perSecond, false},
	{"calls-failed", "Tool calls failed", func(m *metrics.Moment) float64 { return m.CallsFailed }, perSecond, true},
	{"slack-failed", "Calls to Slack failed", func(m *metrics.Moment) float64 { return m.SlackFailed }, perSecond, true},
}

// charts draws each measure.
func charts(moments []metrics.Moment) []chart {
	list := make([]chart, 0, len(measures))
	for i := range measures {
		list = append(list, measures[i].draw(moments))
	}
	return list
}

// draw draws one. Time runs from an hour before the newest moment, on the left, to it.
func (m *measure) draw(moments []metrics.Moment) chart {
	c := chart{ID: "chart-" + m.id, Title: m.title, Now: "–", Words: "Nothing is known yet."}
	if len(moments) == 0 {
		return c
	}
	most, least, sum := 0.0, m.of(&moments[0]), 0.0
	for i := range moments {
		v := m.of(&moments[i])
		most, least, sum = max(most, v), min(least, v), sum+v
	}
	last := &moments[len(moments)-1]
	now := m.of(last)
	c.Now, c.Most, c.Bad = m.show(now), m.show(most), m.trouble && now > 0
	c.Words = fmt.Sprintf("%s, now %s; in the last %s between %s and %s, on average %s.",
		m.title, m.show(now), minutes(last.At.Sub(moments[0].At)), m.show(least), m.show(most), m.show(sum/float64(len(moments))))
	top := max(most, 1e-9)
	var line strings.Builder
	first := 0.0
	for i := range moments {
		x := chartWidth * (1 - float64(last.At.Sub(moments[i].At))/float64(metrics.PastLength))
		y := 1 + (chartHeight-2)*(1-m.of(&moments[i])/top)
		if i == 0 {
			first = x
		}
		fmt.Fprintf(&line, "%.1f,%.1f ", x, y)
	}
	c.Line = strings.TrimSpace(line.String())
	c.Area = fmt.Sprintf("%.1f,%d %s %d,%d", first, chartHeight, c.Line, chartWidth, chartHeight)
	return c
}

func minutes(d time.Duration) string {
	if d < time.Minute {
		return "minute"
	}
	return strconv.Itoa(int(d.Round(time.Minute)/time.Minute)) + " minutes"
}

func whole(v float64) string { return number(int64(v)) }

func perSecond(v float64) string {
	switch {
	case v == 0:
		return "0/s"
	case v < .1:
		return fmt.Sprintf("%.1f/min", v*60)
	case v < 10:
		return fmt.Sprintf("%.1f/s", v)
	}
	return number(int64(v)) + "/s"
}

func seconds(v float64) string {
	switch {
	case v == 0:
		return "0 s"
	case v < .01:
		return fmt.Sprintf("%.1f ms", v*1000)
	case v < 1:
		return fmt.Sprintf("%.0f ms", v*1000)
	case v < 120:
		return fmt.Sprintf("%.1f s", v)
	}
	return ago(time.Duration(v * float64(time.Second)))
}

// number writes a number with its thousands apart.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// ago writes an age as people say it.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0s"
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d >= time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}

// stamp writes an instant in UTC; "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
