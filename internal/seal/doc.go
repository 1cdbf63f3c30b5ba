// Package seal encrypts what must be kept in the database and read again: TOTP
// seeds, signing keys, and the cookies that only this controller may have made.
// The key is in a file outside the database, so that neither a copy of the
// database nor a dump of it is enough.
//
// It does not keep anything itself, does not protect from whoever reads the data
// directory as the controller's user, and is not for passwords or tokens, of
// which only a hash is kept.
//
// Main type: Box. It is immutable and safe for concurrent use.
//
// Invariants: the key file has mode 0600 and is of this user, or Open fails; what was
// sealed for one purpose does not open for another (the purpose is
// authenticated data); a key file that was lost is made anew, and then nothing
// that it had sealed opens any more, which is an error and never an empty value.
package seal
