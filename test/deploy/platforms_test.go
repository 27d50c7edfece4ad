package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	ecs "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/awslabs/goformation/v7/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	run "google.golang.org/api/run/v1"
	"sigs.k8s.io/yaml"
)

// strict decodes JSON and refuses what the type does not have.
func strict(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Error("something follows the object")
	}
}

func TestCloudRun(t *testing.T) {
	text, err := yaml.YAMLToJSONStrict(read(t, "deploy/cloud-run/service.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var s run.Service
	strict(t, text, &s)
	if s.ApiVersion != "serving.knative.dev/v1" || s.Kind != "Service" {
		t.Errorf("it is a %s of %s", s.Kind, s.ApiVersion)
	}
	c := s.Spec.Template.Spec.Containers[0]
	given := map[string]string{"PORT": "8080"} // which Cloud Run sets
	for _, v := range c.Env {
		knowsVariable(t, "Cloud Run", v.Name)
		given[v.Name] = v.Value
		if v.ValueFrom != nil {
			given[v.Name] = secretLike(v.Name)
		}
	}
	knowsFlags(t, "Cloud Run", c.Args)
	takesValue(t, "Cloud Run", c.Args, given)
	if given["REDIS_URL"] == "" {
		t.Error("the events are kept in a file system that vanishes")
	}
	if c.StartupProbe.HttpGet.Path != "/readyz" || c.LivenessProbe.HttpGet.Path != "/livez" || c.Ports[0].ContainerPort != c.StartupProbe.HttpGet.Port {
		t.Errorf("probes %+v and %+v", c.StartupProbe.HttpGet, c.LivenessProbe.HttpGet)
	}
}

func TestECS(t *testing.T) {
	text := read(t, "deploy/ecs/task-definition.json")
	var d ecs.TaskDefinition
	strict(t, text, &d)
	namesBeginSmall(t, text)
	c := d.ContainerDefinitions[0]
	given := map[string]string{}
	for _, v := range c.Environment {
		knowsVariable(t, "ECS", *v.Name)
		given[*v.Name] = *v.Value
	}
	for _, s := range c.Secrets {
		knowsVariable(t, "ECS", *s.Name)
		given[*s.Name] = secretLike(*s.Name)
		if !strings.HasPrefix(*s.ValueFrom, "arn:aws:secretsmanager:") {
			t.Errorf("%s stands in the file", *s.Name)
		}
	}
	knowsFlags(t, "ECS", c.Command)
	takesValue(t, "ECS", c.Command, given)
	knowsFlags(t, "the health check of ECS", c.HealthCheck.Command[2:])
	if given["REDIS_URL"] == "" {
		t.Error("the events are kept in a file system that vanishes")
	}
	if *c.PortMappings[0].ContainerPort != 8080 || given["PORT"] != "8080" || !*c.ReadonlyRootFilesystem || *c.User != "65532:65532" || *c.StopTimeout <= 10 {
		t.Errorf("the container is %+v", c)
	}
	if d.NetworkMode != ecs.NetworkModeAwsvpc || d.RequiresCompatibilities[0] != ecs.CompatibilityFargate || *d.Volumes[0].Name != *c.MountPoints[0].SourceVolume {
		t.Errorf("the task is %+v", d)
	}
}

// namesBeginSmall holds the names to the form that the API takes; Go's decoder is lax
// about it. The options of a log driver are the driver's.
func namesBeginSmall(t *testing.T, text []byte) {
	t.Helper()
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				if unicode.IsUpper(rune(name[0])) {
					t.Errorf("ECS calls no field %s", name)
				}
				walk(e)
			}
		}
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	walk(v)
}

// TestLambdaTemplate holds the template to the schema of AWS SAM.
func TestLambdaTemplate(t *testing.T) {
	text, err := yaml.YAMLToJSONStrict(read(t, "deploy/lambda/template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	template, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	definition, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.SamSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sam.json", definition); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sam.json")
	if err != nil {
		t.Fatal(err)
	}
	resolved := resolve(template)
	if err := s.Validate(resolved); err != nil {
		t.Error(err)
	}
	f := resolved.(map[string]any)["Resources"].(map[string]any)["Events"].(map[string]any)["Properties"].(map[string]any)
	given := map[string]string{}
	for name, value := range f["Environment"].(map[string]any)["Variables"].(map[string]any) {
		knowsVariable(t, "Lambda", name)
		given[name] = value.(string)
	}
	if given["REDIS_URL"] == "" || given["SLACK_SIGNING_SECRET"] == "" {
		t.Errorf("the function lacks what it cannot start without: %v", given)
	}
	if f["CodeUri"] != "../../dist/lambda" || f["Handler"] != "bootstrap" || f["FunctionUrlConfig"].(map[string]any)["InvokeMode"] != "BUFFERED" {
		t.Errorf("the function is %v", f)
	}
}

// resolve puts words in the place of what CloudFormation looks up.
func resolve(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = resolve(v[i])
		}
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok && len(v) == 1 {
			if strings.HasSuffix(ref, "s") {
				return []any{"a", "b"}
			}
			return "a"
		}
		for _, function := range []string{"Fn::Sub", "Fn::GetAtt"} {
			if _, ok := v[function]; ok && len(v) == 1 {
				return "a"
			}
		}
		for name := range v {
			v[name] = resolve(v[name])
		}
	}
	return v
}

// TestLambdaPackage builds what the template packs and starts it as Lambda does.
func TestLambdaPackage(t *testing.T) {
	bash := program(t, "bash", "apt-get install bash")
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), bash, "scripts/lambda.sh", "lambda.norpc", "-s -w", dir)
	build.Dir, build.Env = root, append(os.Environ(), "LAMBDA_ARCH="+goArch(t))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bootstrap"))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LAMBDA_TASK_ROOT=" + dir, "SLACK_SIGNING_SECRET=s"}
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "set REDIS_URL or NATS_URL") {
		t.Errorf("bootstrap: %v\n%s", err, out)
	}
}

func goArch(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOHOSTARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

var process = regexp.MustCompile(`(?m)^([a-z]+): (.+)$`)

// TestProcfile runs the line of the web process in a shell, with the port that Heroku
// would give it.
func TestProcfile(t *testing.T) {
	text := string(read(t, "Procfile"))
	var web string
	for _, m := range process.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(strings.ReplaceAll(m[2], "$PORT", "1"))
		if words[0] != "slack-webhook-server" {
			t.Errorf("%s runs %s", m[1], words[0])
		}
		knowsFlags(t, "process "+m[1], words[1:])
		if m[1] == "web" {
			web = m[2]
		}
	}
	port := freePort(t)
	cmd := exec.Command("bash", "-c", "exec "+web)
	cmd.Env = []string{"PATH=" + filepath.Dir(binary) + ":/usr/bin:/bin", "PORT=" + port, "HOME=" + t.TempDir(), "SLACK_SIGNING_SECRET=" + signingSecret}
	start(t, cmd, "http://127.0.0.1:"+port)
	accepts(t, "http://127.0.0.1:"+port, "EvHEROKU")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
