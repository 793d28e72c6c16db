package cache

// Release ends every stream as soon as nothing is on its way there, with code Unavailable: nodes connect again, to any server that
// they know, this one among them. It returns how many streams that concerns, and waits for none.
func (s *Server) Release() int {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	released := 0
	for _, known := range s.nodes.nodes {
		for _, session := range known.sessions {
			session.released.Store(true)
			session.poke()
			released++
		}
	}
	return released
}
