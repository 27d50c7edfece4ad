package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const chartPath = "deploy/helm/slack-webhook-server"

type values = map[string]any

func TestHelmLint(t *testing.T) {
	for _, m := range lint.RunAll(filepath.Join(root, chartPath), values{}, "default").Messages {
		if m.Severity >= support.WarningSev {
			t.Errorf("%v", m)
		}
	}
}

// render is helm template.
func render(t *testing.T, v values) (files map[string]string, err error) {
	t.Helper()
	c, err := loader.Load(filepath.Join(root, chartPath))
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, v, common.ReleaseOptions{Name: "events", Namespace: "default", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// objects renders the chart and decodes what comes out; notes are what a person is told.
func objects(t *testing.T, v values) (list []runtime.Object, notes string) {
	t.Helper()
	files, err := render(t, v)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case strings.HasSuffix(name, "NOTES.txt"):
			notes = files[name]
		case strings.HasSuffix(name, ".yaml"):
			list = append(list, decode(t, []byte(files[name]))...)
		}
	}
	return list, notes
}

func TestHelmTemplate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values values
		engine string // the variable with its address
		scaled bool
		notes  string
	}{
		{"as it is", values{}, "REDIS_URL", true, "3 replicas that share redis"},
		{"NATS without scaling", values{"queue": values{"backend": "nats"}, "autoscaling": values{"enabled": false}, "replicas": 2}, "NATS_URL", false, "2 replicas that share nats"},
		{"one replica on a volume", values{"queue": values{"backend": "sqlite"}, "replicas": 1}, "", false, "one replica that keeps its events on a volume"},
		{"the webhook side alone", values{"integrated": false, "secretSettings": values{"CONTACT_WEBHOOK_SECRET": "contact"}}, "REDIS_URL", true, "/slack/events"},
		{"everything set", values{
			"image": values{"repository": "registry.example.com/slack", "tag": "1.2.3"}, "imagePullSecrets": []any{values{"name": "pull"}},
			"settings": values{"LOG_LEVEL": "debug", "WORKERS": 4, "READ_ONLY": true, "PUBLIC_URL": "https://events.example.com"},
			"ingress":  values{"enabled": true, "className": "nginx", "host": "events.example.com", "tlsSecret": "tls", "annotations": values{"a/b": "c"}},
			"service":  values{"annotations": values{"a": "b"}, "type": "NodePort"}, "podAnnotations": values{"a": "b"}, "nodeSelector": values{"a": "b"},
			"tolerations": []any{values{"key": "a", "operator": "Exists"}}, "affinity": values{"podAntiAffinity": values{}}, "networkPolicy": values{"extraEgressPorts": []any{8443}},
		}, "REDIS_URL", true, "https://events.example.com/mcp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list, notes := objects(t, tc.values)
			holds(t, list)
			d := only[*appsv1.Deployment](t, list)
			pod := d.Spec.Template.Spec
			var engines []string
			for _, v := range pod.Containers[0].Env {
				if strings.HasSuffix(v.Name, "_URL") && v.ValueFrom != nil {
					engines = append(engines, v.Name)
				}
			}
			if strings.Join(engines, ",") != tc.engine {
				t.Errorf("the engine's address is in %v, want %s", engines, tc.engine)
			}
			scaled := len(all[*autoscalingv2.HorizontalPodAutoscaler](list)) == 1
			if scaled != tc.scaled || scaled == (d.Spec.Replicas != nil) {
				t.Errorf("scaled: %v, with replicas: %v", scaled, d.Spec.Replicas)
			}
			if tc.engine == "" {
				claim := only[*corev1.PersistentVolumeClaim](t, list)
				if pod.Volumes[0].PersistentVolumeClaim.ClaimName != claim.Name || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
					t.Errorf("two servers would meet on one volume: %+v", d.Spec.Strategy)
				}
			} else {
				only[*policyv1.PodDisruptionBudget](t, list)
			}
			if !strings.Contains(notes, tc.notes) {
				t.Errorf("the notes do not say %q:\n%s", tc.notes, notes)
			}
			ready := only[*corev1.Pod](t, list)
			isLocked(t, ready.Spec)
			knowsFlags(t, "helm test", ready.Spec.Containers[0].Args)
			if selector := only[*corev1.Service](t, list).Spec.Selector; ready.Labels["app.kubernetes.io/instance"] == selector["app.kubernetes.io/instance"] {
				t.Error("the service would send requests to the pod of helm test")
			}
			trusted := slices.ContainsFunc(pod.Containers[0].Env, func(v corev1.EnvVar) bool { return v.Name == "TRUSTED_PROXIES" && v.Value != "" })
			if ingress := len(all[*networkingv1.Ingress](list)) > 0; trusted != ingress {
				t.Errorf("with an ingress: %v, and its controller is trusted: %v", ingress, trusted)
			}
			for _, i := range all[*networkingv1.Ingress](list) {
				if b := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service; b.Name != only[*corev1.Service](t, list).Name || b.Port.Name != "http" {
					t.Errorf("the ingress leads to %+v", b)
				}
			}
		})
	}
}

// TestHelmRefuses: what cannot work is refused before anything is applied.
func TestHelmRefuses(t *testing.T) {
	for name, v := range map[string]values{
		"several replicas on one volume": {"queue": values{"backend": "sqlite"}, "replicas": 3},
		"an engine that there is not":    {"queue": values{"backend": "kafka"}},
		"a secret among the settings":    {"settings": values{"SLACK_BOT_TOKEN": "xoxb-1"}},
		"an address with a password":     {"settings": values{"REDIS_URL": "redis://:secret@redis"}},
		"a misspelt value":               {"replicaCount": 2},
		"a misspelt value inside":        {"ingress": values{"hostname": "x"}},
		"no replica":                     {"replicas": 0},
	} {
		if _, err := render(t, v); err == nil {
			t.Errorf("%s: the chart takes %v", name, v)
		}
	}
}

// TestHelmValuesAreDescribed: the schema and the values name the same things.
func TestHelmValuesAreDescribed(t *testing.T) {
	c, err := loader.Load(filepath.Join(root, chartPath))
	if err != nil {
		t.Fatal(err)
	}
	schema := string(c.Schema)
	for name := range c.Values {
		if !strings.Contains(schema, `"`+name+`"`) {
			t.Errorf("values.schema.json does not describe %s", name)
		}
	}
	if _, err := os.Stat(filepath.Join(root, chartPath, "templates/NOTES.txt")); err != nil {
		t.Error(err)
	}
}
