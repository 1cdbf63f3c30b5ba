// Package deltatest makes the messages of a controller for tests of those who follow
// one, and follows one for tests of a controller.
package deltatest
