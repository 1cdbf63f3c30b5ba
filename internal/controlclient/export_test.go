package controlclient

// Handshake is the default Probe.
var Handshake = handshake
