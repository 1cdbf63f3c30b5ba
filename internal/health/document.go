package health

import (
	"net/http"
	"time"
)

// Document serves what get returns at a path, as JSON, for a person who looks for
// a fault. The query since=TIME (RFC 3339) reaches get, zero without it.
func (s *Server) Document(path string, get func(since time.Time) any) {
	s.Handle("GET "+path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		var since time.Time
		if v := r.URL.Query().Get("since"); v != "" {
			var err error
			if since, err = time.Parse(time.RFC3339, v); err != nil {
				http.Error(w, "since must be a time as in RFC 3339", http.StatusBadRequest)
				return
			}
		}
		s.writeJSON(w, http.StatusOK, get(since))
	}))
}
