package audit

// Further actions of people and of their keys.
const (
	PersonSetupLink Action = "person.setup-link" // a link was made, which sets a password once
	PersonPassword  Action = "person.password"
	PersonTOTPOn    Action = "person.totp.enable"
	PersonTOTPOff   Action = "person.totp.disable"
	PersonRecovery  Action = "person.recovery-code" // one was used
	OwnerReset      Action = "person.reset-owner"   // on the controller's host
	SigningKeyMade  Action = "signing-key.create"
)
