package audit

// Further actions of people and of their keys.
const (
	PersonSetupLink = "person.setup-link" // a link was made, which sets a password once
	PersonPassword  = "person.password"
	PersonTOTPOn    = "person.totp.enable"
	PersonTOTPOff   = "person.totp.disable"
	PersonRecovery  = "person.recovery-code" // one was used
	OwnerReset      = "person.reset-owner"   // on the controller's host
	SigningKeyMade  = "signing-key.create"
)
