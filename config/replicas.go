package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Platform is where the process runs, as far as its environment tells.
type Platform string

// The platforms that are told apart. Elsewhere it is "".
const (
	Kubernetes Platform = "Kubernetes"
	CloudRun   Platform = "Cloud Run"
	Heroku     Platform = "Heroku"
	ECS        Platform = "Amazon ECS"
	LambdaHost Platform = "AWS Lambda"
)

// Vanishes reports whether every file on the platform goes with the process, whatever
// directory it is in.
func (p Platform) Vanishes() bool { return p == CloudRun || p == Heroku || p == LambdaHost }

// platforms are told by a variable that each sets.
var platforms = []struct {
	key  string
	name Platform
}{
	{"K_SERVICE", CloudRun},
	{"AWS_LAMBDA_FUNCTION_NAME", LambdaHost},
	{"ECS_CONTAINER_METADATA_URI_V4", ECS},
	{"ECS_CONTAINER_METADATA_URI", ECS},
	{"DYNO", Heroku},
	{"KUBERNETES_SERVICE_HOST", Kubernetes},
}

func (l *loader) findPlatform() {
	for _, p := range platforms {
		if v, _ := l.fromEnv(p.key); v != "" {
			l.config.Platform = p.name
			return
		}
	}
}

// ordinal ends the name of a StatefulSet's pod.
var ordinal = regexp.MustCompile(`-([0-9]{1,4})$`)

// otherReplicas says by which sign the platform tells that this process is not the only
// one, or "". Most platforms do not tell.
func (l *loader) otherReplicas() string {
	if dyno, _ := l.fromEnv("DYNO"); above(dyno[strings.LastIndexByte(dyno, '.')+1:], 1) {
		return "DYNO is " + dyno
	}
	for _, key := range []string{"CF_INSTANCE_INDEX", "NOMAD_ALLOC_INDEX"} {
		if v, _ := l.fromEnv(key); above(v, 0) {
			return key + " is " + v
		}
	}
	if l.config.Platform == Kubernetes {
		name, _ := l.fromEnv("HOSTNAME")
		if m := ordinal.FindStringSubmatch(name); m != nil && above(m[1], 0) {
			return "the pod is " + name
		}
	}
	return ""
}

func above(number string, n int) bool {
	got, err := strconv.Atoi(number)
	return err == nil && got > n
}

// judgeReplicas holds what several replicas cannot do: share a store that one process
// keeps, or take a token that another of them made.
func (l *loader) judgeReplicas() {
	c := &l.config
	var why string
	switch sign := l.otherReplicas(); {
	case c.Replicas > 1:
		why = fmt.Sprintf("is %d", c.Replicas)
	case sign != "":
		why = "is not set, and " + sign + ", so there are several"
	default:
		return
	}
	if c.Mode.Webhook() && c.Queue.Backend.Embedded() {
		l.problems.add("REPLICAS", why+", and the "+string(c.Queue.Backend)+" queue belongs to one process alone: each replica would have events that the others lack",
			"set REDIS_URL or NATS_URL, or run one replica")
	}
	http := c.Mode.MCP() && c.MCP.Transport != Stdio
	if http && !c.MCP.AuthToken.IsSet() && !c.MCP.OAuth.Enabled() && !c.MCP.NoAuth && len(c.MCP.Tokens) == 0 && !c.Sandbox {
		l.problems.add("MCP_AUTH_TOKEN", "is not set, and REPLICAS "+why+": each replica would make a token of its own that the others refuse",
			"set one token for all of them")
	}
}
