// Package dashboard drives the dashboard of a real controller with a real browser,
// while real hosts enroll: TestDashboard prepares the world and starts the suite,
// which is webadmin/ui/e2e/dashboard.mjs (Playwright, axe). TestOutage has a controller
// that hangs, is killed and is upgraded under every page (everypage.mjs); it takes ten
// minutes, so only `make e2e-outage` runs it. What each page and dialog promises is not
// tested here but without a controller: `make ui-pages` (webadmin/ui/e2e/*.test.ts).
//
// A suite plays the person at the browser and checks what is on the page. It has
// no hands on a host: it asks the stage (stage_test.go, HTTP on loopback) to run a
// command there, to stop or start the controller, and when the API itself first said
// what the page has to show.
//
// It has tests only; with -pictures DIR they keep a picture of what they see.
package dashboard
