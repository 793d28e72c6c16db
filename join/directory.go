package join

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// How nodes wait for the directory to change.
const (
	directoryWait = 20 * time.Second
	directoryLook = 250 * time.Millisecond // At most how much later a node hears of it.
	waitingMost   = 20_000
	versionBytes  = 8
)

// directory returns where the replicas that are alive are reached, now.
func (s *Service) directory() Directory {
	d := Directory{Services: s.services(), Joins: s.joins()}
	if len(d.Services) == 0 {
		return d
	}
	sum := sha256.Sum256([]byte(strings.Join(d.Services, " ") + "\n" + strings.Join(d.Joins, " ")))
	d.Version = hex.EncodeToString(sum[:versionBytes])
	return d
}

// tell answers a node, whose certificate must be valid, with the directory: once it is another one than the node has.
func (s *Service) tell(w http.ResponseWriter, r *http.Request) {
	if err := s.proven(r); err != nil {
		if !s.callers.allow(r.RemoteAddr) {
			s.tooMany(w)
			return
		}
		s.fail(w, r, err)
		return
	}
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		s.tooMany(w)
		return
	}
	// The server's own bounds are for calls that do not wait.
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		s.fail(w, r, err)
		return
	}
	d := s.changed(r, r.URL.Query().Get(versionWord))
	if err := control.SetWriteDeadline(time.Now().Add(callTimeout)); err != nil {
		return // Who asked has gone.
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(d) // Who has gone asks again.
}

// proven reports who asks without the certificate of a node.
func (s *Service) proven(r *http.Request) error {
	if r.TLS == nil {
		return errStranger
	}
	if _, err := s.authority.Verify(r.TLS.PeerCertificates); err != nil {
		return fmt.Errorf("%w: %w", errStranger, err)
	}
	return nil
}

// changed returns the directory once its version is not the one that is known, and at the latest after directoryWait.
func (s *Service) changed(r *http.Request, known string) Directory {
	d := s.directory()
	if d.Version != known || known == "" {
		return d
	}
	last := time.NewTimer(directoryWait)
	defer last.Stop()
	look := time.NewTicker(directoryLook)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-last.C:
			return d
		case <-s.stopping:
			return d
		case <-r.Context().Done():
			return d
		}
		if services := s.services(); !slices.Equal(services, d.Services) || !slices.Equal(s.joins(), d.Joins) {
			return s.directory()
		}
	}
}
