package localsocket

// First is first, of which Default is one case.
func First(paths ...string) (string, error) { return first(paths...) }
