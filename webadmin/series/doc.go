// Package series remembers for a day how many members there were and what they did,
// for the charts of the dashboard.
//
// It is no monitoring (the metrics listener is): it is in memory, starts empty with
// the program and is not meant to be alerted on. Counting is the domain's (Source). It is a
// package of its own so that what counts all day knows neither gin nor the API.
//
// Main types, in reading order: Source, Point, Series.
//
// Series is safe for concurrent use. Only Run blocks; it ends with its context.
//
// Invariants: memory is bounded by Fine and Coarse; a step without a point (the
// source failed) is missing and never made up.
package series
