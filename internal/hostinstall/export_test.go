package hostinstall

import "io"

// Kernel and Programs are those of this machine.
func Kernel() System { return kernel{} }

// Programs print to these where they are aloud.
func Programs(stdout, stderr io.Writer) Commands { return programs{stdout, stderr} }

// Supersedes is for tests.
func Supersedes(offered, there string) bool { return supersedes(offered, there) }
