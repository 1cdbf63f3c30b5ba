package access

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// MaxLabels is how many labels one thing may have.
const MaxLabels = 32

// Labels are words of an operator's choice, by their key. Those of a tunneler or resource
// decide about access where a grant names them; nothing that a host says of itself gets
// there.
type Labels map[string]string

// Label is one of Labels: env=prod.
type Label struct{ Key, Value string }

// String is the label as operators write it.
func (l Label) String() string { return l.Key + "=" + l.Value }

// Texts are the labels as operators write them, by key.
func (l Labels) Texts() []string {
	out := make([]string, 0, len(l))
	for _, k := range slices.Sorted(maps.Keys(l)) {
		out = append(out, Label{k, l[k]}.String())
	}
	return out
}

// Has says whether each of these labels is there.
func (l Labels) Has(all []Label) bool {
	return !slices.ContainsFunc(all, func(one Label) bool {
		value, ok := l[one.Key]
		return !ok || value != one.Value
	})
}

// The patterns of keys and values of labels.
const (
	LabelKeyPattern   = `^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$`
	LabelValuePattern = `^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`
)

var (
	labelKey   = regexp.MustCompile(LabelKeyPattern)
	labelValue = regexp.MustCompile(LabelValuePattern)
)

// Errors of labels.
var (
	errLabelKey   = errors.New("a label's key has 1 to 63 of a-z, 0-9, '.', '_', '/' and '-', and begins and ends with a letter or digit")
	errLabelValue = errors.New("a label's value has 1 to 63 letters, digits, '.', '_' and '-', and begins and ends with a letter or digit")
)

// ParseLabel reads a label such as env=prod.
func ParseLabel(text string) (Label, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return Label{}, fmt.Errorf("%q is no label: write key=value, such as env=prod", short(text))
	}
	l := Label{key, value}
	return l, l.Check()
}

// ParseLabels reads labels with commas between them, such as env=prod,tier=web.
func ParseLabels(text string) (out []Label, err error) {
	if n := strings.Count(text, ",") + 1; n > MaxLabels {
		return nil, fmt.Errorf("there are %d labels, and at most %d are possible", n, MaxLabels)
	}
	for one := range strings.SplitSeq(text, ",") {
		l, err := ParseLabel(one)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// Check says what is wrong with a label.
func (l Label) Check() error {
	switch {
	case !labelKey.MatchString(l.Key):
		return fmt.Errorf("%q: %w", short(l.Key), errLabelKey)
	case !labelValue.MatchString(l.Value):
		return fmt.Errorf("%q: %w", short(l.Value), errLabelValue)
	}
	return nil
}
