// Package config is the configuration of `grpctunneler run`: its keys, their
// defaults and what is wrong with given values.
//
// It does not read files or the environment (internal/settings does) and does not
// know the keys of enroll (internal/hostcmd does); those that the conf file shares
// with run are accepted here.
//
// Main types: Config, Loader. Values; nothing here blocks or starts a goroutine.
package config
