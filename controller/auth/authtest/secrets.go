package authtest

import (
	"regexp"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// secrets finds what only its owner may have. A public id, a fingerprint or a UUID
// looks like none of these.
const secrets = `zt[a-z]_[a-z2-7]{39}` + // enrollment token, API key, session, setup or claim code
	`|eyJ[A-Za-z0-9_-]{8,}\.` + // access token (a JWT)
	`|\b[A-Z2-7]{32}\b` + // seed of a second factor
	`|\b[a-z2-7]{4}(-[a-z2-7]{4}){3}\b` + // recovery code
	`|\$argon2` + // password hash
	`|PRIVATE KEY|AGE-SECRET-KEY-`

// SecretIn returns the first secret in the texts of these events, or "".
func SecretIn(events []audit.Event) string {
	find := regexp.MustCompile(secrets)
	for _, e := range events {
		for _, text := range []string{e.Actor, e.Target, e.Reason, e.Before, e.After} {
			if strings.Contains(text, Password) {
				return Password
			}
			if s := find.FindString(text); s != "" {
				return s
			}
		}
	}
	return ""
}
