package strictyaml_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/strictyaml"
)

type item struct {
	ID     string            `yaml:"id"`
	Ports  []string          `yaml:"ports,flow"`
	Labels map[string]string `yaml:"labels,omitempty"`
	Until  time.Time         `yaml:"until,omitempty"`
}

type list struct {
	Items []item `yaml:"items"`
}

func TestADocumentIsRead(t *testing.T) {
	t.Parallel()
	var got list
	require.NoError(t, strictyaml.Read([]byte("# a comment\nitems:\n  - id: a\n    ports: [22, \"8000-8100\", 0x1f]\n    labels: {env: prod, n: 1}\n    until: 2030-01-02T03:04:05Z\n  - id: 007\n"), &got))
	require.Equal(t, list{[]item{
		{ID: "a", Ports: []string{"22", "8000-8100", "0x1f"}, Labels: map[string]string{"env": "prod", "n": "1"}, Until: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)},
		{ID: "007"},
	}}, got)
	for _, empty := range []string{"", "\n# nothing\n", "---\n", "{}"} {
		got = list{}
		require.NoError(t, strictyaml.Read([]byte(empty), &got), empty)
		require.Empty(t, got)
	}
}

func TestFaultsNameTheirLine(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"items:\n  - id: a\n    port: [1]":   "line 3: items[0].port is not known",
		"item: []":                           "line 1: item is not known",
		"items:\n  - id: a\n    id: b":       "line 3: items[0].id is there twice",
		"items: a":                           "line 1: items must be a list",
		"items:":                             "line 1: items must be a list",
		"items:\n  - a":                      "line 2: items[0] must have keys and values",
		"items:\n  - id: [a]":                "line 2: items[0].id must be a text",
		"items:\n  - id: ~":                  "line 2: items[0].id must be a text",
		"items:\n  - labels: [a]":            "line 2: items[0].labels must have keys and values",
		"items:\n  - labels: {a: b, a: c}":   "items[0].labels.a is there twice",
		"items:\n  - until: soon":            "line 2: items[0].until must be a time",
		"items: [{? [a] : b}]":               "line 1: a key of items[0] must be a word",
		"- a":                                "line 1: the document must have keys and values",
		"items: &a []":                       "line 1: anchors and aliases",
		"items:\n  - &a {id: a}\n  - *a":     "line 2: anchors and aliases",
		"items:\n  - id: a\n  - <<: {id: b}": "line 3: tags and merge keys",
		"items:\n  - id: !!binary aGk=":      "line 2: tags and merge keys",
		"items: []\n---\nitems: []":          "more than one document",
		"items: [":                           "line ",
		"items: " + strings.Repeat("[", 20) + strings.Repeat("]", 20): "nested too deep",
		"\xff": "",
	} {
		var got list
		require.ErrorContains(t, strictyaml.Read([]byte(text), &got), says, text)
	}
	many := strings.Repeat("  - {x: 1}\n", 50)
	err := strictyaml.Read([]byte("items:\n"+many), new(list))
	require.ErrorContains(t, err, "and 30 more")
	require.ErrorContains(t, strictyaml.Read(make([]byte, strictyaml.MaxSize+1), new(list)), "more than 4 MiB")
}

// TestABombIsRefusedBeforeItGrows: what the aliases of a short document stand for is never made.
func TestABombIsRefusedBeforeItGrows(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 40 {
		refs := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", ")
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, refs)
	}
	require.ErrorContains(t, strictyaml.Read([]byte(b.String()), new(list)), "line 1: anchors and aliases")
}
