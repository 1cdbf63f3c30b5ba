package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path of this project.
const Module = "github.com/sathiyaseelank-dot/grpccontroller"

// Tree is the source of the project's main module.
type Tree struct {
	Files []*File
	Texts []Text // what people read, apart from the strings in Go files
	// Sources are the files of other languages, by path.
	Sources map[string]string
	Paths   map[string]bool // of all files
	Top     []string        // entries of the top directory that git does not ignore
}

// File is one Go file.
type File struct {
	Path   string // from the top, with slashes
	Syntax *ast.File
	Lines  int // of code
}

// Load parses all Go files below the top of fsys, and reads the texts. It leaves out
// testdata, other modules (internal/tools, spire/release) and what is not source.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{Sources: map[string]string{}, Paths: map[string]bool{}}
	var err error
	if t.Top, err = topEntries(fsys); err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && skipped(fsys, p, t.Top):
			return fs.SkipDir
		case d.IsDir() || path.Ext(p) != ".go" && !isText(p) && !isSource(p):
			t.Paths[p] = !d.IsDir()
			return nil
		}
		t.Paths[p] = true
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		if isSource(p) {
			t.Sources[p] = string(src)
		}
		if isText(p) {
			t.Texts = append(t.Texts, Text{p, wordsOf(p, string(src))})
		}
		if path.Ext(p) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		t.Files = append(t.Files, &File{Path: p, Syntax: syntax, Lines: codeLines(string(src))})
		return nil
	})
	return t, err
}

// isSource reports whether the file is source that is not Go.
func isSource(p string) bool {
	return path.Ext(p) == ".proto" || isScript(p)
}

func skipped(fsys fs.FS, dir string, top []string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return true
	}
	if !strings.Contains(dir, "/") && !slices.Contains(top, dir) {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

// topEntries lists the top directory without the names that .gitignore anchors
// there ("/bin/"): they are products.
func topEntries(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	ignore, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(string(ignore))
	var out []string
	for _, e := range entries {
		if !slices.Contains(lines, "/"+e.Name()) && !slices.Contains(lines, "/"+e.Name()+"/") {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Dir is the directory of the file, such as "controller/enroll".
func (f *File) Dir() string { return path.Dir(f.Path) }

// IsTest reports whether the file is compiled into tests only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// IsGenerated reports whether a program wrote the file.
func (f *File) IsGenerated() bool { return ast.IsGenerated(f.Syntax) }

// Imports lists the import paths.
func (f *File) Imports() []string {
	out := make([]string, len(f.Syntax.Imports))
	for i, spec := range f.Syntax.Imports {
		out[i] = importPath(spec)
	}
	return out
}

// OwnImports lists the imported packages of this project as directories.
func (f *File) OwnImports() []string {
	var out []string
	for _, p := range f.Imports() {
		if dir, ok := strings.CutPrefix(p, Module+"/"); ok {
			out = append(out, dir)
		}
	}
	return out
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil { // the parser accepts nothing else
		return spec.Path.Value
	}
	return p
}

// within reports whether dir is one of the roots or below one.
func within(dir string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return dir == root || strings.HasPrefix(dir, root+"/")
	})
}
