package limiter

// Remembered returns how many moments of spending the State remembers.
func (s *State) Remembered() int { return len(s.log) }
