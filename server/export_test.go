package server

// Leads reports whether a server leads.
func (s *Server) Leads() bool { return s.cluster.leads.Load() }
