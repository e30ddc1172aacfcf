// Package kubernetes checks the manifests beside it, without a cluster and a network: with
// the types of Kubernetes's own API, and those of KEDA that they use.
package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// The parts of KEDA's types (keda.sh/v1alpha1) that are used; others are refused as unknown
// fields are.
type (
	scaledObject struct {
		meta.TypeMeta   `json:",inline"`
		meta.ObjectMeta `json:"metadata"`

		Spec struct {
			ScaleTargetRef struct {
				Name string `json:"name"`
			} `json:"scaleTargetRef"`
			PollingInterval int32 `json:"pollingInterval"`
			CooldownPeriod  int32 `json:"cooldownPeriod"`
			MinReplicaCount int32 `json:"minReplicaCount"`
			MaxReplicaCount int32 `json:"maxReplicaCount"`
			Fallback        struct {
				FailureThreshold int32 `json:"failureThreshold"`
				Replicas         int32 `json:"replicas"`
			} `json:"fallback"`
			Triggers []struct {
				Type     string   `json:"type"`
				Metadata struct { // of the scaler aws-sqs-queue
					QueueURL              string `json:"queueURL"`
					QueueLength           string `json:"queueLength"`
					ActivationQueueLength string `json:"activationQueueLength"`
					AWSRegion             string `json:"awsRegion"`
					ScaleOnInFlight       string `json:"scaleOnInFlight"`
				} `json:"metadata"`
				AuthenticationRef struct {
					Name string `json:"name"`
				} `json:"authenticationRef"`
			} `json:"triggers"`
		} `json:"spec"`
	}
	triggerAuthentication struct {
		meta.TypeMeta   `json:",inline"`
		meta.ObjectMeta `json:"metadata"`

		Spec struct {
			PodIdentity struct {
				Provider string `json:"provider"`
				RoleARN  string `json:"roleArn"`
			} `json:"podIdentity"`
		} `json:"spec"`
	}
)

// manifests are all objects of the folder, by kind.
type manifests struct {
	deployments map[string]*apps.Deployment
	configs     map[string]*core.ConfigMap
	accounts    map[string]*core.ServiceAccount
	services    []*core.Service
	budgets     []*policy.PodDisruptionBudget
	networks    []*networking.NetworkPolicy
	scaled      []*scaledObject
	auths       map[string]*triggerAuthentication
}

// read decodes files, without forgiving unknown or doubled fields.
func read(files map[string][]byte) (*manifests, error) {
	m := &manifests{map[string]*apps.Deployment{}, map[string]*core.ConfigMap{}, map[string]*core.ServiceAccount{}, nil, nil, nil, nil, map[string]*triggerAuthentication{}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for i, text := range bytes.Split(files[name], []byte("\n---\n")) {
			if err := m.decode(text); err != nil {
				errs = append(errs, fmt.Errorf("%s, object %d: %w", name, i+1, err))
			}
		}
	}
	return m, errors.Join(errs...)
}

// strict decodes as a cluster's API server does that is asked to validate strictly.
func strict(text []byte, into any) error {
	b, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(b, into)
	return errors.Join(append(unknown, err)...)
}

func (m *manifests) decode(text []byte) error {
	var kind meta.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "apps/v1 Deployment":
		o := &apps.Deployment{}
		err := strict(text, o)
		m.deployments[o.Name] = o
		return err
	case "v1 ConfigMap":
		o := &core.ConfigMap{}
		err := strict(text, o)
		m.configs[o.Name] = o
		return err
	case "v1 ServiceAccount":
		o := &core.ServiceAccount{}
		err := strict(text, o)
		m.accounts[o.Name] = o
		return err
	case "v1 Service":
		o := &core.Service{}
		m.services = append(m.services, o)
		return strict(text, o)
	case "policy/v1 PodDisruptionBudget":
		o := &policy.PodDisruptionBudget{}
		m.budgets = append(m.budgets, o)
		return strict(text, o)
	case "networking.k8s.io/v1 NetworkPolicy":
		o := &networking.NetworkPolicy{}
		m.networks = append(m.networks, o)
		return strict(text, o)
	case "keda.sh/v1alpha1 ScaledObject":
		o := &scaledObject{}
		m.scaled = append(m.scaled, o)
		return strict(text, o)
	case "keda.sh/v1alpha1 TriggerAuthentication":
		o := &triggerAuthentication{}
		err := strict(text, o)
		m.auths[o.Name] = o
		return err
	}
	return fmt.Errorf("%s %q is not a kind that is checked", kind.APIVersion, kind.Kind)
}

// check returns all that would not work, or not be safe.
func (m *manifests) check() (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if len(m.deployments) != 2 || len(m.networks) != 2 || len(m.services) != 1 || len(m.budgets) != 1 || len(m.scaled) != 1 {
		say("there are %d deployments, %d network policies, %d services, %d budgets and %d scaled objects", len(m.deployments), len(m.networks), len(m.services), len(m.budgets), len(m.scaled))
	}
	config := m.configs["lestats"]
	if config == nil {
		return append(wrong, "there is no ConfigMap lestats")
	}
	delay, err := time.ParseDuration(config.Data["LESTATS_SHUTDOWN_DELAY"])
	if err != nil {
		say("LESTATS_SHUTDOWN_DELAY: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(m.deployments)) {
		d := m.deployments[name]
		if !selects(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
			say("%s: its selector %v is not of its pods %v", name, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		}
		for _, text := range m.pod(&d.Spec.Template.Spec, delay) {
			say("%s: %s", name, text)
		}
		covered := 0
		for _, n := range m.networks {
			if selects(n.Spec.PodSelector.MatchLabels, d.Spec.Template.Labels) && len(n.Spec.PolicyTypes) == 2 {
				covered++
			}
		}
		if covered != 1 {
			say("%s: %d network policies", name, covered)
		}
	}
	api := m.deployments["lestats-api"]
	if api == nil || len(api.Spec.Template.Spec.Containers) == 0 {
		return append(wrong, "there is no Deployment lestats-api")
	}
	for _, s := range m.services {
		if !selects(s.Spec.Selector, api.Spec.Template.Labels) || len(s.Spec.Ports) != 1 || !listens(api, s.Spec.Ports[0].TargetPort.StrVal) {
			say("the service %s does not lead to the server: %v, %v", s.Name, s.Spec.Selector, s.Spec.Ports)
		}
	}
	for _, b := range m.budgets {
		if b.Spec.Selector == nil || !selects(b.Spec.Selector.MatchLabels, api.Spec.Template.Labels) || b.Spec.MaxUnavailable == nil || api.Spec.Replicas == nil || int(*api.Spec.Replicas) <= b.Spec.MaxUnavailable.IntValue() {
			say("the budget %s does not keep a server: %v", b.Name, b.Spec)
		}
	}
	for _, p := range []struct {
		what  string
		probe *core.Probe
		path  string
	}{{"startup", api.Spec.Template.Spec.Containers[0].StartupProbe, "/healthz"}, {"readiness", api.Spec.Template.Spec.Containers[0].ReadinessProbe, "/readyz"}, {"liveness", api.Spec.Template.Spec.Containers[0].LivenessProbe, "/healthz"}} {
		if p.probe == nil || p.probe.HTTPGet == nil || p.probe.HTTPGet.Path != p.path || !listens(api, p.probe.HTTPGet.Port.StrVal) {
			say("the %s probe does not ask %s of a port of the server", p.what, p.path)
		} else if noticed := time.Duration(p.probe.PeriodSeconds*p.probe.FailureThreshold) * time.Second; p.what == "readiness" && delay <= noticed {
			say("a stopping server goes on for %v, and its probe fails after %v", delay, noticed)
		}
	}
	for _, s := range m.scaled {
		target := m.deployments[s.Spec.ScaleTargetRef.Name]
		if target == nil || target.Spec.Replicas != nil {
			say("%s scales %q, which has to be a deployment without replicas", s.Name, s.Spec.ScaleTargetRef.Name)
		}
		if s.Spec.MinReplicaCount < 1 || s.Spec.MaxReplicaCount < s.Spec.MinReplicaCount || s.Spec.Fallback.Replicas > s.Spec.MaxReplicaCount {
			say("%s: from %d to %d workers, %d without a figure", s.Name, s.Spec.MinReplicaCount, s.Spec.MaxReplicaCount, s.Spec.Fallback.Replicas)
		}
		if len(s.Spec.Triggers) != 1 {
			return append(wrong, s.Name+" has to have one trigger")
		}
		t := s.Spec.Triggers[0]
		if t.Type != "aws-sqs-queue" || t.Metadata.QueueURL != config.Data["LESTATS_QUEUE_URL"] || t.Metadata.AWSRegion != config.Data["AWS_REGION"] || !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(t.Metadata.QueueLength) {
			say("%s does not look at the queue of the jobs: %+v", s.Name, t)
		}
		if m.auths[t.AuthenticationRef.Name] == nil {
			say("%s: there is no TriggerAuthentication %q", s.Name, t.AuthenticationRef.Name)
		}
	}
	return wrong
}

// pod returns what is wrong with the pods of a deployment.
func (m *manifests) pod(p *core.PodSpec, delay time.Duration) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if s := p.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		say("its pods may run as root, or make any system call")
	}
	if p.TerminationGracePeriodSeconds == nil || *p.TerminationGracePeriodSeconds <= 30 {
		say("a stop takes up to 30 s, and it gets no more")
	}
	if delay > 20*time.Second {
		say("LESTATS_SHUTDOWN_DELAY is %v; a server takes at most 20 s", delay)
	}
	if a := m.accounts[p.ServiceAccountName]; a == nil || p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		say("its account is %q, which has to be here, and its token is not needed", p.ServiceAccountName)
	}
	volumes := map[string]bool{}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && m.configs[v.ConfigMap.Name] == nil {
			say("there is no ConfigMap %s", v.ConfigMap.Name)
		}
	}
	if len(p.Containers) != 1 {
		return append(wrong, "it has to have one container")
	}
	c := p.Containers[0]
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
		say("its container may write to its root, or get more rights")
	}
	mounted := map[string]bool{}
	for _, v := range c.VolumeMounts {
		mounted[v.MountPath] = true
		if !volumes[v.Name] {
			say("there is no volume %s", v.Name)
		}
	}
	if !mounted["/tmp"] || !mounted[filepath.Dir(m.configs["lestats"].Data["LESTATS_LIMITS"])] {
		say("/tmp or the limits are not mounted: %v", mounted)
	}
	fromConfig := 0
	for _, e := range c.EnvFrom {
		if e.ConfigMapRef != nil && m.configs[e.ConfigMapRef.Name] != nil {
			fromConfig++
		}
		if e.SecretRef != nil && (e.SecretRef.Optional == nil || !*e.SecretRef.Optional) {
			say("it does not start without the secret %s", e.SecretRef.Name)
		}
	}
	if fromConfig != 1 {
		say("it does not read the ConfigMap lestats")
	}
	memory := c.Resources.Limits.Memory().Value()
	if memory == 0 || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Cpu().IsZero() {
		say("its resources have no bounds: %v", c.Resources)
	}
	if budget, err := bytesOf(m.configs["lestats-limits"], `budget: *(\S+ \S+)`); err != nil || budget > memory/4*3 {
		say("the budget of plugins is %d bytes (%v), and more than three quarters of %d", budget, err, memory)
	}
	if heap, err := resource.ParseQuantity(strings.TrimSuffix(m.configs["lestats"].Data["GOMEMLIMIT"], "B")); err != nil || heap.Value() > memory/2 {
		say("GOMEMLIMIT is %v (%v), and more than half of %d", heap.String(), err, memory)
	}
	return wrong
}

// bytesOf returns a size in limits.yaml.
func bytesOf(c *core.ConfigMap, pattern string) (int64, error) {
	if c == nil {
		return 0, errors.New("there are no limits")
	}
	found := regexp.MustCompile(pattern).FindStringSubmatch(c.Data["limits.yaml"])
	if found == nil {
		return 0, fmt.Errorf("no %s in limits.yaml", pattern)
	}
	q, err := resource.ParseQuantity(strings.TrimSuffix(strings.ReplaceAll(found[1], " ", ""), "B"))
	return q.Value(), err
}

func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 1
}

func listens(d *apps.Deployment, port string) bool {
	return slices.ContainsFunc(d.Spec.Template.Spec.Containers[0].Ports, func(p core.ContainerPort) bool { return port != "" && p.Name == port })
}

func load(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestManifests(t *testing.T) {
	m, err := read(load(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range m.check() {
		t.Error(text)
	}
}

// Each damage is noticed.
func TestDamages(t *testing.T) {
	for name, d := range map[string]struct{ file, old, by, want string }{
		"a misspelt field":        {"api.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"},
		"a field in lower case":   {"api.yaml", "readinessProbe:", "readinessprobe:", "readinessprobe"},
		"a field too deep":        {"api.yaml", "periodSeconds: 10", "periodSecond: 10", "periodSecond"},
		"a misspelt scaler":       {"worker.yaml", "queueURL:", "queueUrl:", "queueUrl"},
		"a field that KEDA lacks": {"worker.yaml", "pollingInterval:", "pollInterval:", "pollInterval"},
		"a field twice":           {"api.yaml", "  replicas: 2", "  replicas: 2\n  replicas: 3", "replicas"},
		"a wrong type":            {"api.yaml", "replicas: 2", "replicas: two", "replicas"},
		"a wrong quantity":        {"api.yaml", "memory: 1Gi", "memory: 1 GiB", "quantit"},
		"an old version":          {"api.yaml", "apps/v1", "apps/v1beta1", "not a kind"},
		"another selector":        {"api.yaml", "    matchLabels: {app.kubernetes.io/name: lestats, app.kubernetes.io/component: api}\n  strategy", "    matchLabels: {app.kubernetes.io/name: lestats, app.kubernetes.io/component: web}\n  strategy", "its selector"},
		"a service to nowhere":    {"api.yaml", "targetPort: http", "targetPort: web", "does not lead"},
		"root":                    {"worker.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "as root"},
		"no seccomp":              {"api.yaml", "        seccompProfile: {type: RuntimeDefault}\n", "", "system call"},
		"a root to write to":      {"api.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "write to its root"},
		"no /tmp":                 {"worker.yaml", "mountPath: /tmp", "mountPath: /temp", "/tmp"},
		"a short stop":            {"worker.yaml", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 30", "up to 30 s"},
		"a short delay":           {"config.yaml", "LESTATS_SHUTDOWN_DELAY: 10s", "LESTATS_SHUTDOWN_DELAY: 5s", "probe fails after 5s"},
		"a probe of the store":    {"api.yaml", "httpGet: {path: /healthz, port: http}\n            periodSeconds: 10", "httpGet: {path: /readyz, port: http}\n            periodSeconds: 10", "liveness"},
		"too large a budget":      {"config.yaml", "budget: 768 MiB", "budget: 1 GiB", "three quarters"},
		"too large a heap":        {"config.yaml", "GOMEMLIMIT: 512MiB", "GOMEMLIMIT: 1GiB", "half"},
		"too little memory":       {"worker.yaml", "memory: 1Gi", "memory: 512Mi", "three quarters"},
		"no memory limit":         {"api.yaml", `limits: {cpu: "2", memory: 1Gi}`, `limits: {cpu: "2"}`, "no bounds"},
		"another queue":           {"config.yaml", "123456789012/jobs\n", "123456789012/other\n", "queue of the jobs"},
		"a queue's length":        {"worker.yaml", `queueLength: "20"`, `queueLength: "0"`, "queue of the jobs"},
		"no worker":               {"worker.yaml", "minReplicaCount: 1", "minReplicaCount: 0", "from 0"},
		"replicas beside KEDA":    {"worker.yaml", "  selector:\n    matchLabels", "  replicas: 1\n  selector:\n    matchLabels", "without replicas"},
		"no authentication":       {"worker.yaml", "authenticationRef: {name: lestats-queue}", "authenticationRef: {name: queue}", "TriggerAuthentication"},
		"a budget of all":         {"api.yaml", "maxUnavailable: 1\n", "maxUnavailable: 2\n", "does not keep a server"},
		"a needed secret":         {"api.yaml", "optional: true", "optional: false", "without the secret"},
		"an account elsewhere":    {"api.yaml", "serviceAccountName: lestats-api", "serviceAccountName: default", "its account"},
		"a policy of nobody":      {"network.yaml", "component: worker}\n  policyTypes", "component: workers}\n  policyTypes", "0 network policies"},
		"no egress policy":        {"network.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]", "network policies"},
	} {
		files := load(t)
		before := files[d.file]
		files[d.file] = bytes.Replace(before, []byte(d.old), []byte(d.by), 1)
		if bytes.Equal(before, files[d.file]) {
			t.Errorf("%s: %q is not in %s", name, d.old, d.file)
			continue
		}
		m, err := read(files)
		found := fmt.Sprint(err)
		if err == nil {
			found = strings.Join(m.check(), "\n")
		}
		if !strings.Contains(found, d.want) {
			t.Errorf("%s is not noticed: %q", name, found)
		}
	}
}
