package ui

import (
	"embed"
	"io/fs"
)

// Without "all:" the pattern would match nothing before the first make ui, which
// is an error of the compiler.
//
//go:embed all:dist
var dist embed.FS

// Files returns what make ui built; without it there is no index.html.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist // cannot happen: the name is valid
	}
	return sub
}
