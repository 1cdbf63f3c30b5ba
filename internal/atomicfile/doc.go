// Package atomicfile replaces a file so that a reader, or a program that starts
// after a power loss, sees the old content or the new and nothing in between.
//
// It does not create directories. Only Locked locks: two writers of one path both
// succeed and the last rename wins.
//
// Functions: Write, Create, Read, Give; Locked for a program and an operator's command
// that use the same files; Explain and Full for those who write otherwise. All are safe
// for concurrent use.
package atomicfile
