// Package packagelint has the tests that need the packages of dist and no host. They
// run beside those of internal/e2e/hosts, which wait more than they work.
package packagelint
