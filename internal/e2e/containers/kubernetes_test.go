package containers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAPodOfTheManifestsBecomesOnline plays them with podman, as root of a machine but
// in containers that are locked down as the manifests say.
func TestAPodOfTheManifestsBecomesOnline(t *testing.T) {
	e := newEngine(t)
	e.images()
	e.must("network", "create", "cluster")
	set, config := workload(t, "controller-declared")
	declared := file("grpccontroller-declared", "api-key", e.must("run", "--rm", "grpccontroller", "key", "generate"))
	declared.Data["owner-password"] = "correct horse battery\n"
	e.play("cluster:alias=grpccontroller.zero-trust.svc", append(config, declared, pod(set))...)
	c := controller{e}
	e.eventually("the controller starts, and takes the declared key", func() error {
		_, err := c.run("connectors", "list", "--api-key-file", "/run/secrets/grpccontroller/api-key")
		return err
	})
	_, err := c.run("ca", "rotate", "--yes", "--api-key-file", "/run/secrets/grpccontroller/api-key")
	require.ErrorContains(t, err, "ca:rotate", "more than its scopes")
	ca := file("controller-ca", "ca.crt", c.must("bootstrap-ca"))

	set, config = workload(t, "connector")
	connector := pod(set)
	e.play("cluster", append(config, ca, file("connector-token", "token", c.token("connector-01")), connector)...)
	c.online("connector-01")
	require.Equal(t, "65532", strings.TrimSpace(e.must("inspect", "--format", "{{.Config.User}}", "grpcconnector-0-agent"))[:5])

	// Another pod with the socket: the agent does not see its processes and hangs up. What
	// the stranger makes of that depends on who is faster, so the agent is asked: an image
	// or a socket that does not work would not get as far.
	const hungUp = "Connection failed during accept"
	before := strings.Count(e.must("logs", "grpcconnector-0-agent"), hungUp)
	out, err := e.try("", "run", "--rm", "--volume", socketOf(e)+":/run/spire-agent", "--entrypoint", "/usr/lib/grpc-spire-agent/spire-agent", "grpcconnector",
		"api", "fetch", "x509", "-socketPath", "/run/spire-agent/public/api.sock", "-timeout", "5s")
	require.Error(t, err, "a stranger got an identity: %s", out)
	e.eventually("the agent refuses the stranger", func() error {
		if logs := e.must("logs", "grpcconnector-0-agent"); strings.Count(logs, hungUp) <= before {
			return errors.New(logs)
		}
		return nil
	})

	// The next pod of the set, on the same claim: the token is spent and not needed.
	e.must("pod", "rm", "--force", "grpcconnector-0")
	e.eventually("the controller misses it", func() error {
		if list := c.must("connectors", "list", "--status", "ONLINE"); strings.Contains(list, "connector-01") {
			return errors.New(list)
		}
		return nil
	})
	e.play("cluster", append(config, ca, file("connector-token", "token", "spent"), connector)...)
	c.online("connector-01")
	require.Contains(t, e.must("logs", "grpcconnector-0-enroll"), "enrolled already")

	// Without a claim: SPIRE's own join token, and no key on any disk.
	e.must("pod", "rm", "--force", "grpcconnector-0")
	e.play("cluster", append(ephemeral(t, connector, config, "connector-02"), ca, file("connector-token", "token", c.token("connector-02")), connector)...)
	c.online("connector-02")
	require.Contains(t, e.must("logs", "grpcconnector-0-agent"), "/spire/agent/join_token/")
}

// ephemeral changes the pod as its manifest says for a host without a disk, and returns
// what it reads.
func ephemeral(t *testing.T, p *corev1.Pod, config []any, id string) (out []any) {
	t.Helper()
	enroll := p.Spec.InitContainers[0].Args
	once := slices.Index(enroll, "--once")
	require.Positive(t, once)
	enroll[once] = "--ephemeral"
	claim := slices.IndexFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })
	require.NotEqual(t, -1, claim)
	p.Spec.Volumes[claim].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}
	for _, object := range config {
		values, ok := object.(*corev1.ConfigMap)
		require.True(t, ok)
		values = values.DeepCopy()
		values.Data["CONNECTOR_ID"] = id
		out = append(out, values)
	}
	return out
}

// workload is the set of a kustomization, and what its pods read.
func workload(t *testing.T, dir string) (set *appsv1.StatefulSet, config []any) {
	t.Helper()
	for _, object := range manifests(t, dir) {
		switch o := object.(type) {
		case *appsv1.StatefulSet:
			set = o
		case *corev1.ConfigMap:
			config = append(config, o)
		}
	}
	require.NotNil(t, set)
	return set, config
}

// pod is the first of a set, with its claims; podman has no StatefulSet. Probes are left
// out, for podman would run curl in the container, and ports, which it would open on
// this machine.
func pod(set *appsv1.StatefulSet) *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: set.Name + "-0", Labels: set.Spec.Template.Labels}, Spec: *set.Spec.Template.Spec.DeepCopy(),
	}
	// At each start, as in a cluster; podman's other way removes them.
	// Podman 4.3 leaves an optional Secret out, and what is in another in base64.
	for i, v := range p.Spec.Volumes {
		if v.Secret != nil {
			p.Spec.Volumes[i].VolumeSource = corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: v.Secret.SecretName},
			}}
		}
	}
	// It would also start them again whenever they are done.
	p.Spec.RestartPolicy = corev1.RestartPolicyNever
	p.Annotations = map[string]string{"io.podman.annotations.init.container.type": "always"}
	for _, claim := range set.Spec.VolumeClaimTemplates {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + p.Name},
		}})
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			list[i].Image, list[i].ImagePullPolicy = "localhost/"+strings.TrimSuffix(list[i].Image, ":latest")+":latest", corev1.PullNever
			list[i].StartupProbe, list[i].LivenessProbe, list[i].ReadinessProbe = nil, nil, nil
			list[i].Ports = nil
		}
	}
	return p
}

// file is a volume of one file.
func file(name, key, text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{key: text},
	}
}

// controller is the one in its pod.
type controller struct{ *engine }

func (c controller) run(args ...string) (string, error) {
	return c.try("", append([]string{"exec", "grpccontroller-0-controller", "/usr/bin/grpccontroller"}, args...)...)
}

func (c controller) must(args ...string) string {
	c.t.Helper()
	out, err := c.run(args...)
	require.NoError(c.t, err)
	return out
}

func (c controller) token(id string) string {
	c.t.Helper()
	return strings.TrimSpace(c.must("token", "create", "--kind", "connector", "--id", id, "--quiet"))
}

func (c controller) online(id string) {
	c.t.Helper()
	c.eventually(id+" is ONLINE", func() error {
		list := c.must("connectors", "list", "--status", "ONLINE")
		if !strings.Contains(list, id) {
			return fmt.Errorf("not in the list: %s", list)
		}
		return nil
	})
}

// socketOf is the volume that the pod's containers share.
func socketOf(e *engine) string {
	e.t.Helper()
	return strings.TrimSpace(e.must("inspect", "--format", `{{range .Mounts}}{{if eq .Destination "/run/spire-agent"}}{{.Name}}{{end}}{{end}}`, "grpcconnector-0-agent"))
}
