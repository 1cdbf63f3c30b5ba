package containers_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	deploy = "../../../deploy"
	user   = 65532
)

func TestTheContainerfileHasNoFault(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(deploy, "Containerfile"))
	require.NoError(t, err)
	tree, err := parser.Parse(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Empty(t, tree.Warnings)
	var faults []string
	stages, _, err := instructions.Parse(tree.AST, linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, _ []parser.Range) { faults = append(faults, rule+": "+message) },
	}))
	require.NoError(t, err)
	require.Empty(t, faults)
	require.Len(t, stages, 3)
	for _, s := range stages {
		require.Equal(t, "scratch", s.BaseName, s.Name)
		var users []string
		for _, c := range s.Commands {
			if u, ok := c.(*instructions.UserCommand); ok {
				users = append(users, u.User)
			}
		}
		require.Equal(t, []string{"65532:65532"}, users, s.Name)
	}
}

func TestTheComposeFileLoads(t *testing.T) {
	project := compose(t, "compose.yaml", "compose.declared.yaml")
	require.Len(t, project.Services, 7)
	require.Len(t, project.Services["controller"].Secrets, 2)
	for name, s := range project.Services {
		require.Equal(t, "65532:65532", s.User, name)
		require.True(t, s.ReadOnly, name)
		require.False(t, s.Privileged, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
	}
	for _, program := range []string{"connector", "tunneler"} {
		require.Equal(t, "service:"+program+"-agent", project.Services[program].Pid, "SPIRE has to see the caller")
	}
}

func compose(t *testing.T, files ...string) *types.Project {
	t.Helper()
	for i := range files {
		files[i] = filepath.Join(deploy, files[i])
	}
	options, err := cli.NewProjectOptions(files)
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// TestTheManifestsAreWhatTheyClaim decodes strictly: an unknown or repeated field is an
// error. Every container keeps to the "restricted" standard for pods.
func TestTheManifestsAreWhatTheyClaim(t *testing.T) {
	kinds := map[string]int{}
	for _, object := range manifests(t, "controller-declared", "connector") {
		kinds[object.GetObjectKind().GroupVersionKind().Kind]++
		if set, ok := object.(*appsv1.StatefulSet); ok {
			restricted(t, set.Spec)
		}
	}
	require.Equal(t, map[string]int{"Namespace": 2, "ConfigMap": 2, "Service": 2, "StatefulSet": 2, "NetworkPolicy": 4}, kinds)
}

func restricted(t *testing.T, set appsv1.StatefulSetSpec) {
	t.Helper()
	pod := set.Template.Spec
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	require.EqualValues(t, user, *pod.SecurityContext.RunAsUser)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	require.False(t, *pod.AutomountServiceAccountToken)
	require.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
	mounted := map[string]bool{}
	for _, c := range append(append([]corev1.Container(nil), pod.InitContainers...), pod.Containers...) {
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, c.Name)
		require.False(t, c.Resources.Limits.Memory().IsZero(), c.Name)
		for _, m := range c.VolumeMounts {
			mounted[m.Name] = true
		}
	}
	require.Len(t, mounted, len(pod.Volumes)+len(set.VolumeClaimTemplates))
	for _, v := range pod.Volumes {
		require.True(t, mounted[v.Name], "volume %s is mounted nowhere", v.Name)
	}
}

// manifests are the objects that kustomize makes of these directories.
func manifests(t *testing.T, dirs ...string) (out []runtime.Object) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	decode := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, dir := range dirs {
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(deploy, "kubernetes", dir))
		require.NoError(t, err)
		for _, r := range built.Resources() {
			require.Contains(t, []string{"zero-trust", ""}, r.GetNamespace())
			text, err := r.AsYAML()
			require.NoError(t, err)
			object, _, err := decode.Decode(text, nil, nil)
			require.NoError(t, err, "%s %s", r.GetKind(), r.GetName())
			out = append(out, object)
		}
	}
	return out
}
