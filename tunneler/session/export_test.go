package session

// Handshake is the Measure of a real tunneler.
var Handshake = handshake
