package openapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

const exampleTime = "2030-01-02T15:04:05Z"

// exampleOf is an example of a value of v's type: a reply with all its fields, a request
// with those that it must have and those with an example of their own.
func (s *schemas) exampleOf(v any) any {
	t := reflect.TypeOf(v)
	component, _ := s.components[t.Name()].(object)
	_, closed := component["additionalProperties"]
	return s.example(t, closed)
}

func (s *schemas) example(t reflect.Type, closed bool) any {
	switch {
	case t.Kind() == reflect.Pointer:
		return s.example(t.Elem(), closed)
	case t == reflect.TypeFor[time.Time]():
		return exampleTime
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"status": "pending"}
	case t.Kind() == reflect.Map:
		if t.Name() != "" {
			return object{}
		}
		return object{"env": "prod"}
	case t.Kind() != reflect.Struct:
		return nil
	}
	out := object{}
	for _, f := range fieldsOf(t) {
		_, own := f.Tag.Lookup("example")
		if closed && f.optional && !own || hidden[t.Name()+"."+f.name] {
			continue
		}
		out[f.name] = s.exampleField(f.under(t))
	}
	return out
}

// under is the field as one of t, which may embed its owner.
func (f field) under(t reflect.Type) field {
	f.owner = t
	return f
}

// exampleField is an example of the value of a field.
func (s *schemas) exampleField(f field) any {
	if f.Type.Kind() == reflect.Pointer {
		f.Type = f.Type.Elem()
	}
	t := f.Type
	switch {
	case t.Kind() == reflect.Slice && t != reflect.TypeFor[json.RawMessage]():
		f.Type = t.Elem()
		return []any{s.exampleField(f)}
	case t.Kind() == reflect.Struct:
		return s.example(t, false)
	}
	if text := f.Tag.Get("example"); text != "" {
		return text
	}
	if v, ok := examples[f.owner.Name()+"."+f.name]; ok {
		return v
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		return strings.Split(enum, ",")[0]
	}
	if v, ok := examples[f.name]; ok {
		return v
	}
	switch t.Kind() {
	case reflect.Bool:
		return false
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint32:
		return 1
	case reflect.Float64:
		return 1.5
	case reflect.String:
		s.missing = append(s.missing, f.owner.Name()+"."+f.name)
		return ""
	}
	return s.example(t, false)
}

// exampleText is the example of a parameter of an operation with this tag.
func (s *schemas) exampleText(tag, name string) string {
	for _, key := range []string{tag + "." + name, name} {
		if text, ok := examples[key].(string); ok {
			return text
		}
	}
	s.missing = append(s.missing, tag+"."+name)
	return ""
}

// idString is a SPIFFE ID of the trust domain of the examples.
func idString(path string) string {
	return spiffeid.RequireTrustDomainFromString("mycorp.internal").IDString() + path
}

// hidden are fields that the example of their type does not have, because no reply has
// all of them.
var hidden = map[string]bool{
	"CreatedToken.sealed_token": true, "CreatedToken.recipient": true, "CreatedToken.claim_url": true, "CreatedToken.link_warning": true,
	"CreatedToken.expiry_note": true, "Token.revoked_at": true, "Token.recipient": true, "Member.revoked_at": true, "Connector.refusal": true, "Connector.clone": true,
	"Connector.revoked_at": true, "Tunneler.revoked_at": true, "Tunneler.clone": true, "Host.revoked_at": true, "Host.contested_at": true, "Host.cloned_at": true,
	"HostMember.revoked_at": true, "Key.revoked_at": true, "AuditVerification.problem": true, "AuditWitness.failure": true, "CA.upstream": true, "Rotation.ended_at": true,
	"Rotation.reason": true, "BootstrapReplacement.ended_at": true, "InvitedPerson.link_warning": true,
}

// examples are values of fields and parameters by their name, or by type and name.
var examples = map[string]any{ //nolint:gosec // made up: no credential is in them
	"kind": "connector", "keys": "revoke", "id": "connector-local-01", "Tunneler.id": "tunneler-laptop-01", "connector_id": "connector-local-01",
	"Person.id": "per_0123456789abcdef", "SessionPerson.id": "per_0123456789abcdef", "Key.id": "key_0123456789abcdef", "Session.id": "ses_0123456789abcdef",
	"Host.id": "6f1ed002ab5595859014ebf0951522d9", "Network.id": "default", "Rotation.id": "rot_0123456789abcdef", "BootstrapReplacement.id": "rep_0123456789abcdef",
	"Authority.id": "4b2d6e1c9d8a4c53b6d40c0f5a1e7f20cc2d4b11",
	"token_id":     "tok_0123456789abcdef", "host_id": "6f1ed002ab5595859014ebf0951522d9", "request_id": "req_0123456789abcdef0123456789abcdef",
	"session_id": "ses_0123456789abcdef", "person_id": "per_0123456789abcdef", "authority_id": "4b2d6e1c9d8a4c53b6d40c0f5a1e7f20cc2d4b11",
	"instance_id": "b6f7c1d2", "boot_id": "0e7c9f52-8f0a-4f0e-9a55-0b1c2d3e4f50", "controller_id": "controller-1", "client_id": "key_0123456789abcdef",
	"DeviceAuthorizationRequest.client_id": "grpccontroller-cli", "Problem.request_id": "8d1c8a4f8d5d4c0f9f5f6f0a1b2c3d4e", "AuditEvent.request_id": "8d1c8a4f8d5d4c0f9f5f6f0a1b2c3d4e",

	"token": "ztc_EXAMPLE", "ClaimedToken.token": "ztc_EXAMPLE", "RevocationRequest.token": "ztd_EXAMPLE", "secret": "zta_EXAMPLE", "TOTPEnrollment.secret": "JBSWY3DPEHPK3PXP",
	"client_secret": "zta_EXAMPLE", "access_token": "eyEXAMPLE", "token_type": "Bearer", "token_type_hint": "access_token", "device_code": "ztv_EXAMPLE", "user_code": "BCDF-GHJK",
	"csrf_token": "EXAMPLE", "code": "BCDF-0123", "SetupRequest.code": "ztl_EXAMPLE", "TOTPConfirmRequest.code": "123456", "password": "correct horse battery", "PasswordRequest.current": "a former password",
	"totp": "123456", "recovery_codes": "bcdf-ghjk", "sealed_token": "-----BEGIN AGE ENCRYPTED FILE-----", "recipient": "age1example", "claim_url": "https://controller.example/claim#EXAMPLE",
	"setup_url": "https://controller.example/setup#code=EXAMPLE", "link_warning": "the link opens on the controller's own machine only",
	"expiry_note": "It expires with the API key that made it.", "uri": "otpauth://totp/mycorp.internal:ada@example.com?secret=JBSWY3DPEHPK3PXP", "png": "data:image/png;base64,iVBORw0KGgo=",
	"verification_uri": "https://controller.example/device", "scope": "fleet:read tokens:write", "scopes": "fleet:read", "permissions": "fleet:read", "SessionPerson.totp": true, "Person.totp": true,
	"expires_in": 900, "interval": 5, "token_expires_in": 28800, "recovery_codes_left": 10,

	"install_command": "grpcconnector enroll --token-stdin", "command": "grpcconnector enroll --token-stdin", "requires": "the package of the connector", "warning": "the token is in the history of the shell",
	"fetch_command": "curl -o ca.crt https://controller.example:8443/ca.crt", "address": "controller.example:8443", "ca": "-----BEGIN CERTIFICATE-----", "ca_fingerprint": "AB:CD:EF:01",
	"ttl": "10m", "KeyRequest.ttl": "720h", "source_cidr": "192.0.2.0/24", "source": "192.0.2.7", "your_source": "192.0.2.8", "opened_from": "192.0.2.7", "second_open_from": "192.0.2.9",

	"name": "Ada Lovelace", "KeyRequest.name": "deploy", "Key.name": "deploy", "Network.name": "Office", "Holdout.name": "connector/connector-local-01", "OIDCState.name": "Company sign-in",
	"SettingGroup.name": "svid_ttl", "Caller.name": "deploy", "Fault.name": "ttl", "email": "ada@example.com", "person_email": "ada@example.com", "role": "operator", "method": "password",
	"user_agent": "Mozilla/5.0", "host_name": "desk", "created_by": "person:per_0123456789abcdef", "started_by": "person:per_0123456789abcdef", "decided_by": "person:per_0123456789abcdef",
	"Caller.kind": "key", "state": "active", "status": "ONLINE", "label": "env=prod", "notes": "in the rack by the door",

	"hostname": "desk", "agent_id": idString("/spire/agent/x509pop/6f1ed002ab5595859014ebf0951522d9"), "spiffe_id": idString("/connector/connector-local-01"),
	"flows.tunneler": "tunneler-laptop-01", "flows.connector": "connector-local-01", "flows.resource": "db", "flows.target": "db.corp:5432", "flows.code": "ok", "flows.decision": "granted",
	"Tunneler.spiffe_id": idString("/tunneler/tunneler-laptop-01"), "reported_by": idString("/connector/connector-local-01"), "trust_domain": "mycorp.internal",
	"version": "v1.2.3", "network": "default", "network_id": "default", "private_ip": "10.0.0.5", "addresses": "10.0.0.5:9443", "remote_address": "192.0.2.7:41234", "Sighting.address": "192.0.2.7",
	"serial": "5f0c3a9b", "refusal": "the policy is older than the one that I have", "member": "connector/connector-local-01", "signal": "instances",
	"subject": "connector/connector-local-01", "page": "/connectors/connector-local-01",
	"found": "Two machines use the key of its host.", "do": "Revoke it and enroll the right host again.", "policy_revision": 42,
	"binary_path": "/usr/bin/grpcconnector", "systemd_unit": "grpcconnector.service", "uid": 998, "fingerprint": "MNPQ", "fingerprint_start": "0123-4567-89AB-CDEF-GHJK",

	"upstream": "disk", "phase": "prepared", "replaces": "4b2d6e1c9d8a4c53b6d40c0f5a1e7f20cc2d4b11", "reuses": "4b2d6e1c9d8a4c53b6d40c0f5a1e7f20cc2d4b11", "offline": "proceed", "on_deadline": "drop",
	"deadline": "10m", "reason": "", "dropped": "connector/connector-local-01", "authority": "4b2d6e1c9d8a4c53b6d40c0f5a1e7f20cc2d4b11", "why": "it has not reported the new authority yet",
	"policy_age": "24h", "least": "3m", "most": "5m30s", "steps": "prepare a new authority", "Gate.deadline": exampleTime, "BootstrapReplacement.offline": 0, "BootstrapPreview.offline": 0,
	"old": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "new": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752", "skipped": "6f1ed002ab5595859014ebf0951522d9",
	"BootstrapAnchor.fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "BootstrapReplacement.state": "running", "Rotation.state": "running", "dry_run": true,

	"actor": "person:per_0123456789abcdef", "action": "token.create", "target": "token/tok_0123456789abcdef", "outcome": "success", "AuditVerification.state": "ok",
	"AuditVerification.records": 1234, "AuditCheckpoint.size": 1234, "verifier_key": "mycorp.internal+6f1ed002+AQID", "AuditCheckpoint.note": "mycorp.internal\n1234\nqqo=\n",
	"AuditProblem.kind": "changed", "detail": "must be a duration such as \"10m\" or \"1h30m\"", "failure": "the checkpoint is not signed by the key that I know", "change": "ONLINE",
	"Setting.key": "svid_ttl.connector", "value": "5m", "step_seconds": 30, "total": 1, "online": 1, "Count.offline": 0, "next_page_token": "",

	"type": "urn:grpccontroller:problem:invalid-request", "title": "The request is not valid", "Problem.status": 400, "field": "ttl", "pointer": "#/ttl", "error": "invalid_request", "resource": "tok_0123456789abcdef",

	"requests.id": "req_0123456789abcdef0123456789abcdef", "hosts.id": "6f1ed002ab5595859014ebf0951522d9", "people.id": "per_0123456789abcdef", "keys.id": "key_0123456789abcdef",
	"tokens.id": "tok_0123456789abcdef", "me.id": "ses_0123456789abcdef", "device.id": "ses_0123456789abcdef", "tunnelers.id": "tunneler-laptop-01", "networks.id": "default", "resources.id": "db", "grants.id": "dev-db", "grants.subject": "label/team=dev", "grants.object": "resource/db", "claims.code": "EXAMPLE",
	"page_token": "Y29ubmVjdG9yczppZDpjb25uZWN0b3ItbG9jYWwtMDE", "q": "local", "return_to": "/connectors", "If-None-Match": `"6f1ed002ab5595859014ebf0951522d9"`,
	"Idempotency-Key": "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "Last-Event-ID": "1a2b-42", "status.after": "1a2b-42", "events_after": "1a2b-42",
}
