package identity

import (
	"cmp"
	"slices"
	"strings"
)

// mostNear is how many ids Near returns.
const mostNear = 3

// Near are the ids that somebody may have meant who wrote another one, the likeliest first:
// those that differ in few letters, and those that it is a part of. There are at most three.
func Near(written string, ids []string) []string {
	type candidate struct {
		id   string
		away int
	}
	var found []candidate
	few := max(1, min(len(written)/3, 3))
	for _, id := range ids {
		if id == written {
			continue
		}
		away := distance(written, id, few)
		part := len(written) >= 3 && strings.Contains(id, written)
		if away <= few || part {
			found = append(found, candidate{id, min(away, few+1)})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.id, b.id)) })
	var out []string
	for _, c := range found[:min(mostNear, len(found))] {
		out = append(out, c.id)
	}
	return out
}

// distance is how many letters have to be added, taken away, replaced or swapped with the next
// one to make b of a; something above most if it is more than most.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
