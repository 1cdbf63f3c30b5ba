package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func TestTheBootstrapCAIsReplacedThroughTheAPI(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	before := decode[adminapi.BootstrapCA](t, get(t, e, "/api/admin/ca/bootstrap"))
	require.Len(t, before.Anchors, 1)
	require.True(t, before.Anchors[0].Signs)
	require.Nil(t, before.Replacement)
	for name, body := range map[string]string{
		"no object": `[]`, "an unknown field": `{"force":true}`, "no duration": `{"deadline":"soon"}`, "a short deadline": `{"deadline":"1s"}`,
		"no deadline at all": `{"deadline":"0s"}`, "a negative one": `{"deadline":"-5m"}`,
	} {
		code, _, text := post(t, e, "/ca/bootstrap/replacements", body)
		require.Equal(t, http.StatusBadRequest, code, "%s: %s", name, text)
	}
	code, p, _ := post(t, e, "/ca/bootstrap/replacements/abort", "")
	require.Equal(t, http.StatusConflict, code)
	require.Contains(t, p.Detail, "not being replaced")

	code, _, text := post(t, e, "/ca/bootstrap/replacements", `{"dry_run":true,"deadline":"1s"}`)
	require.Equal(t, http.StatusBadRequest, code, text)
	code, _, text = post(t, e, "/ca/bootstrap/replacements", `{"dry_run":true}`)
	require.Equal(t, http.StatusOK, code, text)
	require.Contains(t, text, `"dry_run":true,"steps":["make a second bootstrap CA`)
	require.Nil(t, decode[adminapi.BootstrapCA](t, get(t, e, "/api/admin/ca/bootstrap")).Replacement, "nothing was changed")

	code, _, text = post(t, e, "/ca/bootstrap/replacements", `{"deadline":"10m"}`)
	require.Equal(t, http.StatusAccepted, code, text)
	for _, body := range []string{`{}`, `{"dry_run":true}`} {
		code, _, _ = post(t, e, "/ca/bootstrap/replacements", body)
		require.Equal(t, http.StatusConflict, code)
	}
	_, err := e.Bootstrap.Step(t.Context())
	require.NoError(t, err)
	during := decode[adminapi.BootstrapCA](t, get(t, e, "/api/admin/ca/bootstrap"))
	require.Len(t, during.Anchors, 2)
	require.Equal(t, "prepared", during.Replacement.Phase)
	require.Equal(t, "10m", during.Replacement.Deadline)
	require.Equal(t, before.Anchors[0].Fingerprint, during.Replacement.Old)
	for running := true; running; {
		running, err = e.Bootstrap.Step(t.Context())
		require.NoError(t, err)
	}
	after := decode[adminapi.BootstrapCA](t, get(t, e, "/api/admin/ca/bootstrap"))
	require.Len(t, after.Anchors, 1)
	require.Equal(t, "done", after.Replacement.Status)
	require.True(t, after.Replacement.Finished())
	require.Equal(t, after.Replacement.New, after.Anchors[0].Fingerprint)
	code, p, _ = post(t, e, "/ca/bootstrap/replacements/abort", "")
	require.Equal(t, http.StatusConflict, code, p.Detail)
}

func TestABootstrapCAThatEndsIsShown(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	require.Empty(t, decode[adminapi.Status](t, get(t, e, "/api/admin/status")).Attention)
	e.Clock.Advance(9*365*24*time.Hour + 48*time.Hour)
	got := decode[adminapi.Status](t, get(t, e, "/api/admin/status")).Attention
	require.Len(t, got, 1)
	require.Equal(t, adminapi.AttentionBootstrap, got[0].Kind)
	require.Contains(t, got[0].Found, "The bootstrap CA expires on ")
	require.Contains(t, got[0].Do, "grpccontroller ca bootstrap rotate")
}
