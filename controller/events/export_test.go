package events

// Run tells the ids of two hubs apart.
func (h *Hub) Run() string { return h.run }
