// Package keys holds the small cryptography that several programs share: key files,
// sealed values, the secrets that people carry, and what a host signs when it enrolls.
//
// It does not decide who may use a key (controller/enroll, controller/auth), does not
// issue certificates (controller/bootstrapca) and knows nothing of SVIDs, whose keys
// never leave memory (internal/mtls). The audit log's Ed25519 key has a format of its
// own (controller/audit).
//
// In reading order, a file each:
//   - ecdsa.go: Load and Make keep an ECDSA P-256 key in a PEM file of mode 0600.
//   - box.go: Box encrypts what the database must give back (TOTP seeds, signing keys,
//     cookies) with a key file outside the database.
//   - secret.go: NewSecret, CheckSecret and HashSecret are for enrollment tokens and API
//     keys: a readable prefix, 160 random bits and a checksum.
//   - sealtoken.go, opentoken.go: SealToken encrypts an enrollment token to a key of the
//     host it is for (age, filippo.io/age), so that it may be sent where others read it.
//   - subject.go: Subject is an enrollment request without a token: what the host signs,
//     and the fingerprint that a person compares on two screens.
//
// Everything is a value or a function without state, and safe for concurrent use. Nothing
// here starts a goroutine.
//
// Invariants:
//   - A key file has mode 0600, and is on the disk (content, name and directory) when the
//     function that made it returns; OpenBox also refuses a file of another user. An error
//     never quotes a key or a secret.
//   - What a Box sealed for one purpose does not open for another. A key file that was lost
//     is made anew; what the old one sealed is then an error, never an empty value.
//   - Of a secret only its hash is stored.
//   - A token is sealed to exactly one age or SSH key, never to a plugin or a passphrase,
//     and reading one costs a bounded amount of memory and of key agreements.
//   - Each text that is signed or hashed begins with a label of its own and gives the length
//     of each field, so that no text can be read as another.
package keys
