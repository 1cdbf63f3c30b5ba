package hostcmd

// Entry is one KEY=VALUE of a conf file.
type Entry struct{ Key, Value string }

// ConfValue is the value of a key in the text of a conf file, empty if it has none.
func ConfValue(text, key string) string { return valueOf(text, key) }

// MergeConf sets entries in the text of a conf file and leaves its other lines as they
// are; an entry without a value leaves the text alone.
func MergeConf(text string, entries []Entry) (string, error) {
	in := make([]entry, len(entries))
	for i, e := range entries {
		in[i] = entry{e.Key, e.Value}
	}
	return mergeConf(text, in)
}
