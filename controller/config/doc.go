// Package config is the configuration of grpccontroller: its keys, defaults and
// what makes a value wrong.
//
// It does not read anything (internal/settings does) and starts nothing (app
// does).
//
// Main type: Config. Only values; safe for concurrent use once loaded.
package config
