package hostinstall

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checkTargets looks at whether everything could be written.
func (i *Installer) checkTargets(p *plan) error {
	var f faults
	need := map[uint64]uint64{}
	free := map[uint64]string{}
	have := map[uint64]uint64{}
	reasons := map[string][]string{}
	for path, size := range i.targets(p) {
		dir, err := i.host.nearest(filepath.Dir(path))
		if err != nil {
			reasons[err.Error()] = append(reasons[err.Error()], filepath.Dir(path))
			continue
		}
		if info, err := os.Lstat(i.host.at(path)); err == nil && info.IsDir() && size > 0 {
			f.add("%s is a directory, but a file of that name has to be installed: move it away", path)
		}
		if err := i.host.System.Writable(i.host.at(dir)); err != nil {
			reasons[err.Error()] = append(reasons[err.Error()], dir)
		}
		n, device, err := i.host.System.Space(i.host.at(dir))
		if err != nil {
			f.add("%s: %v", dir, err)
			continue
		}
		need[device] += size + 4096
		have[device], free[device] = n, dir
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		dirs := reasons[why]
		slices.Sort(dirs)
		f.add("cannot write in %s: %s", strings.Join(slices.Compact(dirs), ", "), why)
	}
	for _, device := range slices.Sorted(maps.Keys(need)) {
		if have[device] < need[device]+margin {
			f.add("no space: the file system of %s has %s free, and %s are needed", free[device], mebibytes(have[device]), mebibytes(need[device]+margin))
		}
	}
	return f.err()
}

// margin is what is left free, for the journal and what starts later.
const margin = 256 << 10

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// targets are all that would be written, with its size.
func (i *Installer) targets(p *plan) map[string]uint64 {
	out := map[string]uint64{}
	for _, members := range p.members {
		for _, m := range members {
			out[m.path] = uint64(m.size) //nolint:gosec // bounded by maxUnpacked
		}
	}
	if p.enroll || p.move || len(p.edits) > 0 {
		out[i.role.conf] = maxConf / 64
		out[hostDir+"/host.key"] = 0
	}
	if p.pin {
		out[pinnedKey] = uint64(len(p.offer.key))
	}
	if p.agentPackage == "" && !i.host.exists(hostDir) {
		out["/etc/passwd"], out[madeFile] = 0, 0
	}
	return out
}
