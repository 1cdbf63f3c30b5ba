// Package world starts the whole system on one machine from the real programs:
// controller with embedded SPIRE, hosts with an agent and a connector or a
// tunneler each. The demo, the benchmark of enrollment and the end-to-end tests
// use it; a test takes a world that ends with it from package worldtest.
//
// It does not check anything (they do) and uses nothing of a program but its
// command line, its environment, its run.json and the admin API.
//
// Main types, in reading order: Process, Controller, Host.
//
// Not safe for concurrent use, except Process. Each Process has one goroutine,
// which ends with the child; Stop joins it. A child dies with us, however we die.
package world
