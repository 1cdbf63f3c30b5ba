package adminapi

import "net/http"

// ProblemType describes one type of problem. The API answers with no other: it makes
// every problem from these, and so does the documentation (docs/api.md, openapi.json).
type ProblemType struct {
	Type   string
	Status int
	Title  string
	// When says when it happens, Do what the caller can do. One or two sentences each.
	When, Do string
	// Example has what an occurrence adds to type, title, status and request id.
	Example Problem
}

// Occurrence is the example as the API writes it.
func (t ProblemType) Occurrence() Problem {
	p := t.Example
	p.Type, p.Title, p.Status, p.RequestID = t.Type, t.Title, t.Status, "8d1c8a4f8d5d4c0f9f5f6f0a1b2c3d4e"
	return p
}

// ProblemTypes are all types of problems, by status.
func ProblemTypes() []ProblemType {
	return append(callerProblems(), stateProblems()...)
}

// callerProblems are about the request and its sender.
func callerProblems() []ProblemType {
	return []ProblemType{{
		TypeInvalidRequest, http.StatusBadRequest, "The request is not valid",
		"A field, parameter or header is unknown, missing, given twice or has a value that is not allowed; or the body is not one JSON object.",
		"Correct every entry of `errors`: it lists all faults of the body, or all of the query.",
		Problem{Detail: `must be connector or tunneler`, Field: "kind", Errors: []Fault{
			{InBody, "kind", "#/kind", `must be connector or tunneler`},
			{InBody, "ttl", "#/ttl", `must be a duration such as "10m" or "1h30m"`},
		}},
	}, {
		TypeUnauthenticated, http.StatusUnauthorized, "The caller is not known",
		"The request has no API key, access token or session, or one that is wrong, expired or revoked. At sign-in: e-mail address, password or code is wrong. The reply never says which.",
		"Sign in, or send a valid API key or access token.",
		Problem{Detail: `sign in, or send a valid API key or access token in the header "Authorization: Bearer <key>"`},
	}, {
		TypeTOTPRequired, http.StatusUnauthorized, "The second factor is needed",
		"The password is right, and the person has a second factor.",
		"Send the same request again with `totp`: a code of the app, or a recovery code.",
		Problem{Detail: "the code of the second factor is needed"},
	}, {
		TypeForbidden, http.StatusForbidden, "The caller may not do this",
		"The caller is known and does not have the permission of the operation.",
		"Use a key with this scope, or ask an owner for a role that has the permission.",
		Problem{Detail: "this needs the permission tokens:write, which this caller does not have"},
	}, {
		TypeStepUpRequired, http.StatusForbidden, "A recent sign-in is needed",
		"The operation needs a person to have signed in again within the last five minutes. API keys and the local admin socket never get this.",
		"Call stepUp, then repeat the request.",
		Problem{Detail: "this needs you to sign in again first"},
	}, {
		TypeCSRF, http.StatusForbidden, "The request may come from another site",
		"A session cookie came without the session's CSRF token, or the browser says that a page of another site sent the request.",
		"Send the `csrf_token` of the session in the header X-CSRF-Token.",
		Problem{Detail: "the header X-CSRF-Token must be the csrf_token of GET /session"},
	}, {
		TypeSetupLink, http.StatusForbidden, "The setup link is not valid",
		"The code of a setup link is wrong, was used or has expired.",
		"Ask an owner for a new link. On the controller's host `grpccontroller admin reset-owner` makes one.",
		Problem{Detail: "this setup link was used, has expired or never existed; ask for a new one"},
	}, {
		TypeNotFound, http.StatusNotFound, "There is no such object or path",
		"Nothing has the id, or the API has no such path.",
		"List the objects to find the id.",
		Problem{Detail: `no connector has the id "connector-local-01"`},
	}, {
		TypeClaimRefused, http.StatusNotFound, "The claim link does not open",
		"The code of a claim link is wrong, was opened before or has expired. The reply never says which. A second opening is reported to the operator.",
		"Ask for a new token.",
		Problem{Detail: "this link was opened, has expired or never existed; ask for a new one"},
	}, {
		TypeNoProvider, http.StatusNotFound, "There is no identity provider",
		"The controller has no OpenID Connect provider.",
		"Sign in with a password.",
		Problem{Detail: "no identity provider is configured; sign in with a password"},
	}, {
		TypeMethodNotAllowed, http.StatusMethodNotAllowed, "The path does not allow this method",
		"The path exists, and not with this method.",
		"Use a method of the header Allow.",
		Problem{Detail: "this path does not allow this method; see the Allow header"},
	}, {
		TypeTooLarge, http.StatusRequestEntityTooLarge, "The body is too large",
		"The body of the request is larger than 64 KiB.",
		"Send less.",
		Problem{Detail: "the request body is larger than 64 KiB"},
	}, {
		TypeMediaType, http.StatusUnsupportedMediaType, "The body has the wrong media type",
		"The Content-Type is not the one that the operation takes.",
		"Send application/json; to the paths below /oauth, application/x-www-form-urlencoded.",
		Problem{Detail: "the Content-Type must be application/json"},
	}, {
		TypeWrongHost, http.StatusMisdirectedRequest, "The request is for another server",
		"The Host of the request is not a name of this controller.",
		"Use the address of `admin.public_url`, or localhost on the controller's host.",
		Problem{Detail: "this server has another name; use the address of its public_url, or localhost"},
	}, {
		TypeTooManyFailures, http.StatusTooManyRequests, "Too many failed attempts",
		"This address, or this account, failed to authenticate too often.",
		"Wait for the seconds of Retry-After. A valid API key is accepted meanwhile.",
		Problem{Detail: "too many requests without a valid API key; wait"},
	}, {
		TypeTooManyRequests, http.StatusTooManyRequests, "Too many requests on one connection",
		"One connection sent more than 1,000 requests at once, or more than 100 in a second for long. The request was not carried out. This one has an empty request id.",
		"Wait for the seconds of Retry-After.",
		Problem{Detail: "too many requests on this connection; wait"},
	}, {
		TypeTooManyStreams, http.StatusTooManyRequests, "Too many event streams",
		"The caller, or all callers together, have as many streams of events open as the controller allows.",
		"Close one, or wait for the seconds of Retry-After.",
		Problem{Detail: "too many event streams are open; close one"},
	}}
}

// stateProblems are about the state of what the request is for, and about the server.
func stateProblems() []ProblemType {
	return []ProblemType{{
		TypeStale, http.StatusConflict, "Somebody else has changed this",
		"The change named the revision of an earlier state.",
		"Read the object again, then repeat the change with its new revision.",
		Problem{Detail: "somebody else has changed this meanwhile: read it again, then repeat the change with its new revision"},
	}, {
		TypeRevoked, http.StatusConflict, "What was revoked does not change",
		"The member, host or API key was revoked, or the key has expired.",
		"Enroll it again, or create another key.",
		Problem{Detail: "this was revoked, and what was revoked does not change any more"},
	}, {
		TypeExists, http.StatusConflict, "The id is in use",
		"There is an object with this id.",
		"Choose another id, or change the object that is there.",
		Problem{Detail: `there is a network with the id "berlin" already: choose another id, or change that one`},
	}, {
		TypeInUse, http.StatusConflict, "Other things depend on it",
		"The network has connectors or resources, or is the default one; or grants name the resource.",
		"Move, revoke or delete what `in_use_by` lists; it has the first 20.",
		Problem{Detail: "a connector is in the network (connector-local-01): move or revoke them first", InUseBy: []string{"connector-local-01"}},
	}, {
		TypeLimit, http.StatusConflict, "A limit is reached",
		"There can be no more objects of this kind, or the request is for too many at once.",
		"Delete some, or narrow the request.",
		Problem{Detail: "there are 500 networks, and no more are possible"},
	}, {
		TypeSelection, http.StatusConflict, "The selection has changed",
		"Others have the labels than those that the dry run has shown: one came, went, or was replaced by another host.",
		"Look at them again with `dry_run`. Nobody was revoked.",
		Problem{Detail: "others have these labels now than the dry run has shown: nobody was revoked; look at them again with dry_run"},
	}, {
		TypePolicyTest, http.StatusConflict, "A policy test would not hold",
		"After the change a policy test would not hold that holds now, or the test that is created or changed does not hold. Nothing was changed.",
		"`policy_tests` has the first 20 with what would be decided. Change the rules otherwise, or change or delete the test first.",
		Problem{
			Detail: "a policy test would not hold: no-vault: label/team=dev must not reach vault.corp:8200, and would by the grant dev-all of the resource corp",
			PolicyTests: []BrokenPolicyTest{{
				ID: "no-vault", Subject: "label/team=dev", Target: "vault.corp:8200", Expect: "refuse",
				Decision: PolicyDecision{Allowed: true, Code: "granted", NetworkID: "default", ResourceID: "corp", GrantID: "dev-all"},
			}},
		},
	}, {
		TypeLiveMember, http.StatusConflict, "An enrolled host has this id",
		"The token or approval is for an id that an enrolled host has.",
		"Send `replace: true`, if the new host is to take its place: the enrolled one is then revoked.",
		Problem{Detail: "an enrolled host has this id; set replace to true to revoke it when the token is redeemed"},
	}, {
		TypeRequestDecided, http.StatusConflict, "The enrollment request was decided",
		"The enrollment request was approved, denied or withdrawn, or has expired.",
		"Have the host ask again.",
		Problem{Detail: "this enrollment request was decided already or has expired"},
	}, {
		TypeFingerprint, http.StatusConflict, "The fingerprint does not match",
		"The fingerprint is not that of the host's key. The third wrong one denies the request.",
		"Read the fingerprint from the screen of the host itself.",
		Problem{Detail: "the fingerprint is not that of the host's key", Field: "fingerprint", Errors: []Fault{
			{InBody, "fingerprint", "#/fingerprint", "the fingerprint is not that of the host's key"},
		}},
	}, {
		TypeRotation, http.StatusConflict, "The rotation is in another state",
		"A rotation runs already, there is none, or it is too late to abort it.",
		"Read the CA to see its state.",
		Problem{Detail: "a CA rotation is running"},
	}, {
		TypeUpstream, http.StatusConflict, "The upstream authority rotates this CA",
		"SPIRE has an UpstreamAuthority, so this controller does not rotate the CA.",
		"Rotate the CA at the upstream authority.",
		Problem{Detail: "SPIRE has an upstream authority; rotate there"},
	}, {
		TypeLastOwner, http.StatusConflict, "No owner would remain",
		"After the change no active owner with a password would remain.",
		"Make somebody else an owner first.",
		Problem{Detail: "this is the last owner with a password"},
	}, {
		TypePerson, http.StatusConflict, "The person is in another state",
		"The change does not fit the person: it is your own role, the identity provider manages the account, the e-mail address is taken, or the second factor was changed meanwhile.",
		"Read `detail`; list people to see the state.",
		Problem{Detail: "another person has this e-mail address"},
	}, {
		TypeDeclared, http.StatusConflict, "The controller's configuration declares this",
		"The configuration of the controller declares the owner or the key, and alone changes it.",
		"Change the configuration and restart the controller.",
		Problem{Detail: "this key is declared by the controller's configuration; change it there"},
	}, {
		TypeInterrupted, http.StatusConflict, "The first request with this key did not end",
		"The first request with this Idempotency-Key is being carried out, or the controller stopped while it was.",
		"List the objects to see whether it was carried out. If it was not, use another Idempotency-Key.",
		Problem{Detail: "a request with this Idempotency-Key is running or was interrupted"},
	}, {
		TypeReplayed, http.StatusConflict, "The request was carried out before",
		"The first request with this Idempotency-Key was carried out, and its reply contained a secret, which is not kept.",
		"`resource` is the id of what it created. Without its secret, revoke that and create another.",
		Problem{Detail: "this request was already carried out; its reply is shown only once, because it may contain a secret", Resource: "tok_0123456789abcdef"},
	}, {
		TypeKeyReused, http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request",
		"The caller sent this Idempotency-Key within the last 24 hours with another request.",
		"Use a new Idempotency-Key for each request, and the same one only to repeat it.",
		Problem{Detail: "this Idempotency-Key was used for another request"},
	}, {
		TypeInternal, http.StatusInternalServerError, "The controller failed",
		"Something failed that the caller cannot correct. The log of the controller has the reason.",
		"Look for the request id in the controller's log. Repeat the request later; a POST only with its Idempotency-Key.",
		Problem{Detail: "internal error; the controller's log has the reason under this request id"},
	}, {
		TypeTimeout, http.StatusServiceUnavailable, "The controller did not answer in time",
		"The database or SPIRE did not answer within 20 seconds.",
		"Repeat the request later; a POST only with its Idempotency-Key.",
		Problem{Detail: "the controller did not answer in time; try again"},
	}}
}
