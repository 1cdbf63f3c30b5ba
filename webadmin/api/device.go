package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) deviceOperations() []operation {
	code := []string{adminapi.TypeNotFound}
	return []operation{{
		method: http.MethodPost, path: "/oauth/device_authorization", id: "startDeviceSignIn", tag: "device", summary: "Start the sign-in of a command line",
		description: "RFC 8628 section 3.1, form-encoded. A person who is signed in types the user_code at the verification_uri; meanwhile POST /oauth/token with the device_code returns the state of the sign-in.",
		public:      true, form: true, request: adminapi.DeviceAuthorizationRequest{}, replies: map[int]any{http.StatusOK: adminapi.DeviceAuthorization{}}, problems: []string{adminapi.TypeTooManyFailures}, handle: s.authorizeDevice,
	}, {
		method: http.MethodPost, path: "/oauth/revoke", id: "revokeAccessToken", tag: "device", summary: "Sign out a command line by its token",
		description: "RFC 7009, form-encoded. An unknown token gets the same reply.",
		public:      true, form: true, request: adminapi.RevocationRequest{}, replies: map[int]any{http.StatusOK: nil}, problems: []string{adminapi.TypeTooManyFailures}, handle: s.revokeLogin,
	}, {
		method: http.MethodPost, path: "/device/look", id: "getWaitingDevice", tag: "device", summary: "Show the command line that waits for approval with this code",
		permission: auth.Self, request: adminapi.UserCode{}, replies: map[int]any{http.StatusOK: adminapi.WaitingDevice{}}, problems: code, handle: s.lookAtDevice,
	}, {
		method: http.MethodPost, path: "/device/approve", id: "approveDevice", tag: "device", summary: "Approve the sign-in of a command line with your own account",
		description: "It has the permissions of your role, but cannot manage people and keys or change your account. It ends after 8 hours, and with all your other sessions.",
		permission:  auth.Self, stepUp: true, request: adminapi.UserCode{}, replies: map[int]any{http.StatusNoContent: nil}, problems: code, handle: s.approveDevice,
	}, {
		method: http.MethodPost, path: "/device/deny", id: "denyDevice", tag: "device", summary: "Deny the sign-in of a command line",
		permission: auth.Self, request: adminapi.UserCode{}, replies: map[int]any{http.StatusNoContent: nil}, problems: code, handle: s.denyDevice,
	}, {
		method: http.MethodGet, path: "/logins", id: "listLogins", tag: "device", summary: "List signed-in command lines, newest first",
		permission: auth.KeysManage, query: pageParams(), replies: listReplies(adminapi.SessionList{}), handle: s.listLogins,
	}, {
		method: http.MethodDelete, path: "/logins/:id", id: "endLogin", tag: "device", summary: "Sign out the command line of any person",
		permission: auth.KeysManage, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound}, handle: s.endLogin,
	}, {
		method: http.MethodGet, path: "/whoami", id: "getCaller", tag: "status", summary: "Show the caller and the caller's permissions",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Caller{}}, handle: s.whoAmI,
	}}
}

func (s *Server) authorizeDevice(c *gin.Context) error {
	form, err := readForm(c.Request)
	if err != nil {
		return err
	}
	if form.Get("client_id") != adminapi.CLIClientID {
		return oauthProblem(http.StatusBadRequest, "invalid_client", "client_id must be "+adminapi.CLIClientID)
	}
	codes, err := s.cfg.Identity.Devices.Ask(form.Get("host_name"), remoteIP(c))
	if f, ok := errors.AsType[*auth.FieldError](err); ok {
		return oauthProblem(http.StatusBadRequest, "invalid_request", f.Error())
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.DeviceAuthorization{
		DeviceCode: codes.DeviceCode, UserCode: codes.UserCode, VerificationURI: s.verificationURI(c),
		ExpiresIn: int(auth.AskLife.Seconds()), Interval: int(auth.DeviceInterval.Seconds()),
	})
	return nil
}

// verificationURI is the page where a person types the code. Without a public_url it
// is at the name that the command line used, which checkHost has let pass.
func (s *Server) verificationURI(c *gin.Context) string {
	switch {
	case s.cfg.PublicURL != "":
		return s.URL() + "/device"
	case s.cfg.TLS != nil:
		return "https://" + c.Request.Host + "/device"
	}
	return "http://" + c.Request.Host + "/device"
}

// redeemDevice is POST /oauth/token with a device code.
func (s *Server) redeemDevice(c *gin.Context, code string) error {
	l, err := s.cfg.Identity.Devices.Redeem(c.Request.Context(), code, auth.By{RequestID: requestID(c), Source: remoteIP(c)})
	for _, it := range []struct {
		err  error
		code string
	}{
		{auth.ErrDevicePending, adminapi.ErrorPending},
		{auth.ErrDeviceSlowDown, adminapi.ErrorSlowDown},
		{auth.ErrDeviceDenied, adminapi.ErrorDenied},
		{auth.ErrDeviceExpired, adminapi.ErrorExpired},
	} {
		if !errors.Is(err, it.err) {
			continue
		}
		// A code cannot be guessed, but who tries is not answered for ever.
		if errors.Is(it.err, auth.ErrDeviceExpired) && !s.failures.allow(remoteIP(c)) {
			return tooManyFailures(c)
		}
		return oauthProblem(http.StatusBadRequest, it.code, it.err.Error())
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.AccessToken{
		AccessToken: l.Token, TokenType: "Bearer", ExpiresIn: int(l.Session.ExpiresAt.Sub(s.cfg.Now()).Seconds()),
	})
	return nil
}

func tooManyFailures(c *gin.Context) error {
	c.Header("Retry-After", strconv.Itoa(int(failureEvery.Seconds())))
	return problem(adminapi.TypeTooManyFailures, "too many requests with a code or token that is not valid; wait")
}

func (s *Server) revokeLogin(c *gin.Context) error {
	form, err := readForm(c.Request)
	if err != nil {
		return err
	}
	known, err := s.cfg.Identity.Devices.Revoke(c.Request.Context(), form.Get("token"), auth.By{RequestID: requestID(c), Source: remoteIP(c)})
	if err != nil {
		return err
	}
	if !known && !s.failures.allow(remoteIP(c)) {
		return tooManyFailures(c)
	}
	c.Status(http.StatusOK)
	return nil
}

// userCode is the code of a request, and who sends it.
func userCode(c *gin.Context) (auth.Active, string, error) {
	var in adminapi.UserCode
	if err := bind(c, &in); err != nil {
		return auth.Active{}, "", err
	}
	a, err := active(c)
	return a, in.UserCode, err
}

func (s *Server) lookAtDevice(c *gin.Context) error {
	a, code, err := userCode(c)
	if err != nil {
		return err
	}
	ask, err := s.cfg.Identity.Devices.Look(a, code)
	if err != nil {
		return s.guessed(c, err)
	}
	c.JSON(http.StatusOK, adminapi.WaitingDevice{
		HostName: ask.Host, Source: ask.Source, YourSource: remoteIP(c), AskedAt: ask.AskedAt, ExpiresAt: ask.EndsAt,
		TokenExpiresIn: int(auth.LoginLife / time.Second),
	})
	return nil
}

// guessed records a code that nothing waits with.
func (s *Server) guessed(c *gin.Context, err error) error {
	if errors.Is(err, auth.ErrDeviceCode) {
		s.recordRefusal(c, callerOf(c).Actor, "no command line waits with this code")
	}
	return err
}

func (s *Server) approveDevice(c *gin.Context) error {
	a, code, err := userCode(c)
	if err != nil {
		return err
	}
	if _, err := s.cfg.Identity.Devices.Approve(c.Request.Context(), a, code, by(c)); err != nil {
		return s.guessed(c, err)
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) denyDevice(c *gin.Context) error {
	a, code, err := userCode(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Identity.Devices.Deny(c.Request.Context(), a, code, by(c)); err != nil {
		return s.guessed(c, err)
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) listLogins(c *gin.Context) error {
	return s.listSessions(c, "logins", auth.SessionQuery{Devices: true}, callerOf(c).SessionID)
}

func (s *Server) endLogin(c *gin.Context) error {
	if err := s.cfg.Identity.Sessions.RevokeLogin(c.Request.Context(), c.Param("id"), by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) whoAmI(c *gin.Context) error {
	who := callerOf(c)
	may := texts(who.Permissions)
	slices.Sort(may)
	c.JSON(http.StatusOK, adminapi.Caller{
		Actor: who.Actor, Kind: string(who.Kind), Name: who.Name, Role: string(who.Role), Permissions: may, TrustDomain: s.cfg.TrustDomain.Name(),
	})
	return nil
}
