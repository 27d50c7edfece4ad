package metrics

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Options say which values the closed labels have. The zero value is for documents.
type Options struct {
	// Version is this build's.
	Version string
	// Sources are the senders that are served.
	Sources []string
	// Tools are the names of all tools that there are.
	Tools []string
}

// Metrics are all metrics of one process, each under its subject.
type Metrics struct {
	*Registry
	Listener *Listener
	Process  *Process
	Receive  *Receive
	Store    *Store
	Handlers *Handlers
	Slack    *Slack
	MCP      *MCP
	Push     *Push
	Gaps     *Gaps
}

// New returns the metrics of a process. What a process does not do shows no values.
func New(o Options) *Metrics {
	r := newRegistry()
	m := &Metrics{
		Registry: r,
		Listener: newListener(r),
		Process:  newProcess(r),
		Receive:  newReceive(r, o.Sources),
		Store:    newStore(r),
		Handlers: newHandlers(r),
		Slack:    newSlack(r),
		MCP:      newMCP(r, o.Tools),
		Push:     newPush(r),
		Gaps:     newGaps(r),
	}
	build(r, o.Version)
	return m
}

// build says which program this is, and lets Go's runtime and the process speak.
func build(r *Registry, version string) {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := r.Gauge("build_info", "1, with the program's version, the revision that it was built from, and Go's version.",
		Bounded("version", 1, "the version of the build"), Bounded("revision", 1, "the commit of the build"), Bounded("go_version", 1, "Go's version"))
	g.With(version, revision, runtime.Version()).Set(1)
	r.prom.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}
