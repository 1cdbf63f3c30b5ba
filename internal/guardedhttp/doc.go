// Package guardedhttp is the HTTP client for a service that somebody else runs and that
// names further URLs: an identity provider, an ACME server. Whoever can change what such
// a service says must not be able to aim the controller at itself or at the metadata
// service of its cloud (a server-side request forgery), or fill its memory.
//
// It does not decide which service is asked (the configuration does) or what an answer
// means (controller/auth/oidc and webadmin/certs do).
//
// The client is safe for concurrent use and starts no goroutine of its own.
package guardedhttp
