// Package dashboard drives the dashboard of a real controller with a real browser,
// while real hosts enroll: TestDashboard prepares the world and starts the suite,
// which is webadmin/ui/e2e/dashboard.mjs (Playwright, axe). TestPages needs no world: it
// runs the dashboard's own tests (vitest, webadmin/ui/e2e/*.test.ts).
//
// The suite plays the person at the browser and checks what is on the page. It has
// no hands on a host: it asks the stage (stage_test.go, HTTP on loopback) to run a
// command there, and when the API itself first said what the page has to show.
//
// It has tests only; `make screenshots` runs them and keeps the pictures.
package dashboard
