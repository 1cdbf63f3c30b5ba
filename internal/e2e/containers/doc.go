// Package containers lints deploy/Containerfile, deploy/compose.yaml and
// deploy/kubernetes, and runs them with podman: images are built, pods are played
// from the manifests, and a connector in one becomes ONLINE.
//
// It has no code, only tests. It is a module of its own: what knows Kubernetes and
// Compose is no dependency of a program. `make lint` runs the lint, `make
// test-containers` all of it.
//
// It does not run a cluster: StatefulSets are played as the pods they would make, and
// neither network policies nor probes nor storage classes are put to a test.
package containers
