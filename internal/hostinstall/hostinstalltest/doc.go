// Package hostinstalltest has a Shop, which plays the controller that a host is
// installed from: it offers small programs, and can offer them wrong in any way.
//
// It owns what is on offer and its signature, not the listener: a test gives one. Its
// fields may be changed between two runs; the handler reads them while one runs.
package hostinstalltest
