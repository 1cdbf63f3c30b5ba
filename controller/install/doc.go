// Package install serves what a host installs: the scripts, the programs and their
// signed checksums, under /install/ of the enrollment listener.
//
// It owns the install tree (which files, their hashes), the release key and the
// limits of a download. It does not own the connection: controller/control splits
// it off by ALPN and bounds its number and its headers. It does not make the tree
// (scripts/installtree.sh) and does not say what an operator pastes
// (controller/app).
//
// Main types, in reading order: Source (Open), Tree (OpenTree), OpenKey, Service (an
// http.Handler).
//
// Both are immutable once made, safe for concurrent use and start no goroutine. The
// tree is read once, at start; a request opens its one file and closes it.
//
// Invariants: what is served is a list made at start, and a request is a key of that
// list, byte for byte: no path is ever built from what a client sent, and nothing
// is listed. A file that is not the one that was hashed is not served. A client
// that does not read is cut.
package install
