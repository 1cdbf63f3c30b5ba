// Package envfiletest holds texts of environment files and what systemd reads in them.
// The unit tests of internal/envfile read them, and internal/e2e/hosts gives them to a
// real systemd, so that the table cannot say what systemd does not do.
package envfiletest
