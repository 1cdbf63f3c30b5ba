// Package ui is the dashboard: a single-page application (React, TypeScript) that
// make ui builds into dist and this package embeds.
//
// It does not serve the files or set a header (webadmin/api does), and the
// application decides nothing: it calls the admin API with the rights of whoever
// signed in, and every check is made there.
//
// Main types, in reading order: Files; then, of the application, src/main.tsx,
// src/app (routes, shell, session), src/api (typed client, queries, live events),
// src/ui (parts that pages share), src/pages (one folder a page). dev holds a mock
// world to look at pages with, e2e what a browser does with a real controller (started
// by internal/e2e/dashboard); neither is embedded.
//
// Only values; safe for concurrent use.
//
// What decides something without a browser has its unit tests beside it (make ui-test).
//
// Invariants: nothing is loaded from another origin, no inline script or style
// without the nonce; what the API does not say is not shown.
package ui
