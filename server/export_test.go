package server

import "github.com/gatehouse/gatehouse/authz/keys"

// Leads reports whether a server leads.
func (s *Server) Leads() bool { return s.cluster.leads.Load() }

// FindKey returns what the server knows of an API key.
func (s *Server) FindKey(text string) (keys.Key, error) { return s.keys.Find(text) }
