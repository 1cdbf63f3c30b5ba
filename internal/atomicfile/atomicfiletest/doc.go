// Package atomicfiletest gives tests a disk that is soon full.
package atomicfiletest
