package deploy

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// decode reads every document of a manifest into the type that it names; a field that
// the type does not have is an error.
func decode(t *testing.T, manifest []byte) []runtime.Object {
	t.Helper()
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var list []runtime.Object
	for documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(manifest))); ; {
		buffer := make([]byte, 1<<20)
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.TrimSpace(buffer[:n])) == 0 {
			continue
		}
		o, _, err := strict.Decode(buffer[:n], nil, nil)
		if err != nil {
			t.Fatalf("%v:\n%s", err, buffer[:n])
		}
		list = append(list, o)
	}
}

// kustomize builds a folder as kubectl kustomize does.
func kustomize(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := result.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, manifest)
}

// all returns the objects of one type.
func all[T runtime.Object](list []runtime.Object) []T {
	var found []T
	for _, o := range list {
		if x, ok := o.(T); ok {
			found = append(found, x)
		}
	}
	return found
}

// only returns the one object of a type.
func only[T runtime.Object](t *testing.T, list []runtime.Object) T {
	t.Helper()
	found := all[T](list)
	if len(found) != 1 {
		t.Fatalf("there are %d of %T, want one", len(found), *new(T))
	}
	return found[0]
}

// holds checks what every way to run the server in Kubernetes has to have.
func holds(t *testing.T, list []runtime.Object) {
	t.Helper()
	d := only[*appsv1.Deployment](t, list)
	pod := d.Spec.Template.Spec
	isLocked(t, pod)
	c := pod.Containers[0]
	knowsFlags(t, "the deployment", c.Args)
	given := map[string]string{}
	for _, v := range c.Env {
		knowsVariable(t, "the deployment", v.Name)
		if _, twice := given[v.Name]; twice {
			t.Errorf("%s is set twice", v.Name)
		}
		given[v.Name] = v.Value
		if v.ValueFrom != nil {
			given[v.Name] = secretLike(v.Name)
		}
	}
	takesValue(t, "the deployment", c.Args, given)
	for name, p := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != name || p.HTTPGet.Port.String() != "http" {
			t.Errorf("the probe of %s is %v", name, p)
		}
	}
	drain := int64(10) // DRAIN_TIMEOUT's default
	if grace := *pod.TerminationGracePeriodSeconds; grace <= drain+c.Lifecycle.PreStop.Sleep.Seconds {
		t.Errorf("the pod is killed after %d s, before it has drained", grace)
	}
	selected := labels.Set(d.Spec.Template.Labels)
	for _, s := range all[*corev1.Service](list) {
		if s.Spec.ClusterIP != "None" && !labels.SelectorFromSet(s.Spec.Selector).Matches(selected) {
			t.Errorf("service %s selects no pod", s.Name)
		}
	}
	for _, p := range all[*policyv1.PodDisruptionBudget](list) {
		selects(t, p.Name, p.Spec.Selector, selected)
	}
	for _, p := range all[*networkingv1.NetworkPolicy](list) {
		if p.Name == d.Name {
			selects(t, p.Name, &p.Spec.PodSelector, selected)
		}
	}
	for _, h := range all[*autoscalingv2.HorizontalPodAutoscaler](list) {
		if h.Spec.ScaleTargetRef.Name != d.Name || h.Spec.ScaleTargetRef.Kind != "Deployment" {
			t.Errorf("%s scales %v", h.Name, h.Spec.ScaleTargetRef)
		}
	}
}

func selects(t *testing.T, name string, s *metav1.LabelSelector, pod labels.Set) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil || selector.Empty() || !selector.Matches(pod) {
		t.Errorf("%s selects by %v (%v), which is not our pod", name, s, err)
	}
}

// secretLike is a value of the form that a setting wants.
func secretLike(name string) string {
	switch name {
	case "REDIS_URL":
		return "redis://redis:6379/0"
	case "NATS_URL":
		return "nats://nats:4222"
	case "SLACK_BOT_TOKEN":
		return "xoxb-1"
	}
	return "0123456789abcdef-" + name // each its own: two senders may not share one
}

// isLocked checks what keeps a broken-into process from doing more.
func isLocked(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod's security context is %+v", s)
	}
	if a := pod.AutomountServiceAccountToken; a == nil || *a {
		t.Error("the pod is given a token of the cluster")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("container %s has the security context %+v", c.Name, s)
		}
		if _, ok := c.Resources.Limits[corev1.ResourceMemory]; !ok {
			t.Errorf("container %s has no limit on its memory", c.Name)
		}
	}
}

func TestKustomizeBase(t *testing.T) {
	list := kustomize(t, "deploy/kubernetes/base")
	holds(t, list)
	d := only[*appsv1.Deployment](t, list)
	h := only[*autoscalingv2.HorizontalPodAutoscaler](t, list)
	if *d.Spec.Replicas != 3 || *h.Spec.MinReplicas != 3 {
		t.Errorf("%d replicas, scaled from %d, want 3", *d.Spec.Replicas, *h.Spec.MinReplicas)
	}
	only[*policyv1.PodDisruptionBudget](t, list)
	only[*networkingv1.NetworkPolicy](t, list)

	example := only[*corev1.Secret](t, decode(t, read(t, "deploy/kubernetes/base/secret.example.yaml")))
	for _, v := range d.Spec.Template.Spec.Containers[0].Env {
		if v.ValueFrom == nil {
			continue
		}
		if ref := v.ValueFrom.SecretKeyRef; ref.Name != example.Name || example.StringData[ref.Key] == "" {
			t.Errorf("%s is taken from %s/%s, which the example does not have", v.Name, ref.Name, ref.Key)
		}
	}
}

func TestKustomizeSingle(t *testing.T) {
	list := kustomize(t, "deploy/kubernetes/overlays/single")
	holds(t, list)
	d := only[*appsv1.Deployment](t, list)
	if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType || d.Spec.Strategy.RollingUpdate != nil {
		t.Errorf("%d replicas, replaced by %+v: two servers would meet on one volume", *d.Spec.Replicas, d.Spec.Strategy)
	}
	claim := only[*corev1.PersistentVolumeClaim](t, list)
	if v := d.Spec.Template.Spec.Volumes[0]; v.EmptyDir != nil || v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != claim.Name {
		t.Errorf("the state is kept in %+v", v)
	}
	if n := len(all[*autoscalingv2.HorizontalPodAutoscaler](list)) + len(all[*policyv1.PodDisruptionBudget](list)); n != 0 {
		t.Error("one replica is scaled, or kept from being moved")
	}
}

func TestKustomizeWithRedis(t *testing.T) {
	list := kustomize(t, "deploy/kubernetes/overlays/with-redis")
	holds(t, list)
	redis := only[*appsv1.StatefulSet](t, list)
	isLocked(t, redis.Spec.Template.Spec)
	for _, p := range all[*networkingv1.NetworkPolicy](list) {
		if p.Name != redis.Name {
			continue
		}
		selects(t, p.Name, &p.Spec.PodSelector, redis.Spec.Template.Labels)
		selects(t, p.Name, p.Spec.Ingress[0].From[0].PodSelector, only[*appsv1.Deployment](t, list).Spec.Template.Labels)
	}
}
