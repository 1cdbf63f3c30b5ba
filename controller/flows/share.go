package flows

import (
	"math"
	"slices"
)

// Share is how many records there are of a tunneler from one connector.
type Share struct {
	Connector, Tunneler string
	Records             int64
}

// Excess is what has to go of each share so that about keep records stay: of the connector that has
// most, until it has as many as the next one, and so on; and of a connector in the same way of the
// tunneler that has most. A connector is who reported a record, and was authenticated; the
// tunneler is what it said. So whoever makes up or causes a flood of records displaces its own.
func Excess(all []Share, keep int64) (out []Share) {
	of, total := map[string][]int64{}, map[string]int64{}
	for _, s := range all {
		of[s.Connector] = append(of[s.Connector], s.Records)
		total[s.Connector] += s.Records
	}
	totals := make([]int64, 0, len(total))
	for _, n := range total {
		totals = append(totals, n)
	}
	each := level(totals, keep)
	levels := map[string]int64{} // of the tunnelers of a connector
	for connector, counts := range of {
		levels[connector] = level(counts, each)
	}
	for _, s := range all {
		if more := s.Records - levels[s.Connector]; more > 0 {
			out = append(out, Share{s.Connector, s.Tunneler, more})
		}
	}
	return out
}

// level is the largest number of which it holds that counts, each of them cut down to it, are keep
// together or less.
func level(counts []int64, keep int64) int64 {
	slices.Sort(counts)
	for i, n := range counts {
		if each := keep / int64(len(counts)-i); n > each {
			return each
		}
		keep -= n
	}
	return math.MaxInt64
}

// portions divides what has to go into transactions of at most so many records.
func portions(all []Share, most int64) (out [][]Share) {
	var now []Share
	room := most
	for _, s := range all {
		for s.Records > 0 {
			part := s
			part.Records = min(s.Records, room)
			now = append(now, part)
			s.Records -= part.Records
			if room -= part.Records; room == 0 {
				out, now, room = append(out, now), nil, most
			}
		}
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}
