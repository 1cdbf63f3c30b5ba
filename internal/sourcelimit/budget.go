package sourcelimit

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve is what no listener gets: a tenth, and at least this. Files, the database,
// the connections that the program itself makes, and the pipes of its children.
const reserve = 128

// Descriptors is how many descriptors the listeners of this process may share. Go
// has raised the limit of the process to the hard one.
func Descriptors() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	return shared(l.Cur), nil
}

// shared is all but the reserve of a limit. A limit beyond a million is none.
func shared(limit uint64) int {
	all := int(min(limit, 1<<20))
	return max(0, all-max(reserve, all/10))
}

// Share are the caps of a listener that gets this percentage of all descriptors, at
// most most of them, a part of which may be anonymous connections. One address gets
// half of these.
func Share(all, percent, most, anonymous int) Caps {
	n := max(1, min(all*percent/100, most))
	anonymous = max(1, min(anonymous, n/2))
	return Caps{Most: n, Anonymous: anonymous, AnonymousFrom: max(1, anonymous/2)}
}
