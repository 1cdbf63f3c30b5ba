package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// onlyMainExits: a program that ends anywhere else skips its own shutdown. A test
// may play a child process and choose its exit code.
func onlyMainExits(f *File) []string {
	if f.IsTest() || path.Base(f.Path) == "main.go" && f.Syntax.Name.Name == "main" {
		return nil
	}
	return calls(f, map[string][]string{"os": {"Exit"}, "log": {"Fatal", "Fatalf", "Fatalln"}})
}

// forbiddenNames: sleeping hides races, global loggers hide dependencies, and the
// other two switch off the one check that everything here rests on.
func forbiddenNames(f *File) []string {
	out := calls(f, map[string][]string{"time": {"Sleep"}, "go.uber.org/zap": {"L", "S"}})
	if f.IsTest() { // adversarial tests play the peer that verifies nothing
		return out
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && (id.Name == "AuthorizeAny" || id.Name == "InsecureSkipVerify") {
			out = append(out, "uses "+id.Name)
		}
		return true
	})
	return out
}

// programWritten: a program that is written while another test forks cannot be
// started (internal/hosttest says why).
func programWritten(f *File) []string {
	if !f.IsTest() || within(f.Dir(), "internal/hosttest") {
		return nil
	}
	var out []string
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 3 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "WriteFile" {
			return true
		}
		if mode, ok := call.Args[2].(*ast.BasicLit); ok {
			if bits, err := strconv.ParseUint(mode.Value, 0, 32); err == nil && bits&0o111 != 0 {
				out = append(out, "writes a program without internal/hosttest")
			}
		}
		return true
	})
	return out
}

// oneHint: who wakes somebody to look again does it with internal/topic. A channel that is
// a lock is none of these.
func oneHint(f *File) []string {
	if f.IsTest() || within(f.Dir(), "internal/topic") || f.Path == "controller/store/store.go" {
		return nil
	}
	var out []string
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		made, ok := call.Args[0].(*ast.ChanType)
		if !ok {
			return true
		}
		room, ok := call.Args[1].(*ast.BasicLit)
		if of, empty := made.Value.(*ast.StructType); ok && empty && room.Value == "1" && len(of.Fields.List) == 0 {
			out = append(out, "makes a signal of its own: topic.Hint is one")
		}
		return true
	})
	return out
}

// spiffe is not in one piece, so that grep finds internal/identity only.
const spiffe = "spiffe:" + "//"

// spiffeScheme: SPIFFE IDs are built and parsed in one package only.
func spiffeScheme(f *File) []string {
	if f.IsTest() || within(f.Dir(), "internal/identity") {
		return nil
	}
	var out []string
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Contains(lit.Value, spiffe) {
			out = append(out, "spells out "+spiffe+" in "+lit.Value)
		}
		return true
	})
	return out
}

// noInit: what runs before main cannot be configured, tested or stopped.
func noInit(f *File) []string {
	for _, d := range f.Syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			return []string{"has an init function"}
		}
	}
	return nil
}

// packageName: a package is named after what it provides, not after a drawer.
func packageName(f *File) []string {
	name := strings.TrimSuffix(f.Syntax.Name.Name, "_test")
	if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "models", "misc"}, name) {
		return []string{"is in a package named " + name}
	}
	return nil
}

// calls finds uses of functions of imported packages, under whatever name the
// file imported them.
func calls(f *File, forbidden map[string][]string) []string {
	local := map[string]string{}
	for _, spec := range f.Syntax.Imports {
		p := importPath(spec)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		local[name] = p
	}
	var out []string
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(forbidden[local[pkg.Name]], sel.Sel.Name) {
			out = append(out, fmt.Sprintf("uses %s.%s", path.Base(local[pkg.Name]), sel.Sel.Name))
		}
		return true
	})
	return out
}
