package echo

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// check reports everything that is out of bounds.
func (s Settings) check() error {
	var faults []error
	if s.Status < http.StatusOK || s.Status > 599 {
		faults = append(faults, fmt.Errorf("status %d is not between 200 and 599", s.Status))
	}
	if s.Delay < 0 || s.Delay > DelayMax {
		faults = append(faults, fmt.Errorf("delay %v is not between 0 and %v", s.Delay, DelayMax))
	}
	if s.Size < 0 || s.Size > SizeMax {
		faults = append(faults, fmt.Errorf("size %d is not between 0 and %d bytes", s.Size, SizeMax))
	}
	return errors.Join(faults...)
}

// chosenBy returns the settings with what a request chooses for itself.
func (s Settings) chosenBy(header http.Header) (Settings, error) {
	status, delay, size := header.Get(HeaderStatus), header.Get(HeaderDelay), header.Get(HeaderSize)
	if status == "" && delay == "" && size == "" {
		return s, nil
	}
	var err error
	if status != "" {
		if s.Status, err = strconv.Atoi(status); err != nil {
			return s, fmt.Errorf("%s: %q is no number", HeaderStatus, status)
		}
	}
	if delay != "" {
		if s.Delay, err = time.ParseDuration(delay); err != nil {
			return s, fmt.Errorf("%s: %q is no duration such as 250ms", HeaderDelay, delay)
		}
	}
	if size != "" {
		if s.Size, err = strconv.Atoi(size); err != nil {
			return s, fmt.Errorf("%s: %q is no number", HeaderSize, size)
		}
	}
	return s, s.check()
}
