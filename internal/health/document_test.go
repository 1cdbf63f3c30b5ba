package health_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	url := run(t, s)
	status, _ := get(t, url+"/sessions", "")
	require.Equal(t, 404, status, "not yet")

	var asked time.Time
	s.Document("/sessions", func(since time.Time) any { asked = since; return map[string]int{"n": 3} })
	status, body := get(t, url+"/sessions", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"n":3}`, body)
	require.True(t, asked.IsZero())

	status, _ = get(t, url+"/sessions?since="+start.Format(time.RFC3339Nano), "")
	require.Equal(t, 200, status)
	require.True(t, asked.Equal(start))

	asked = time.Time{}
	status, body = get(t, url+"/sessions?since=yesterday", "")
	require.Equal(t, 400, status)
	require.Contains(t, body, "RFC 3339")
	require.True(t, asked.IsZero())
}
