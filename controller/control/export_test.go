package control

// SyncInterval for tests.
var SyncInterval = syncInterval
