package join

import "time"

// Paths of the joining service.
const (
	pathJoin  = "/v1/join"
	pathRenew = "/v1/renew"
	// pathDirectory answers a node's GET with a Directory, at once, or where the node names the version that it has, when that
	// has changed: at the latest after directoryWait.
	pathDirectory = "/v1/directory"
	versionWord   = "version"
)

// bodyMax bounds a call and its answer, in bytes.
const bodyMax = 256 << 10

// joinCall asks for a node's first certificate.
type joinCall struct {
	Token   string `json:"token"`
	Node    string `json:"node"`
	Request string `json:"request"` // A certificate request in PEM.
}

// renewCall asks for the next certificate of the node that the connection's certificate names.
type renewCall struct {
	Request string `json:"request"`
}

// Answer is what a node gets.
type Answer struct {
	Domain      string    `json:"domain"`
	Fleet       string    `json:"fleet"`
	Node        string    `json:"node"`
	Certificate string    `json:"certificate"` // Its chain, PEM.
	Bundle      string    `json:"bundle"`      // Whom to trust, PEM.
	Expires     time.Time `json:"expires"`

	Directory
}

// Directory says where the replicas that are alive are reached.
type Directory struct {
	// Services are where the services are: IP:port or IP:port@zone; without an IP that of the server that was asked.
	Services []string `json:"services"`
	Joins    []string `json:"joins,omitempty"`   // Where nodes join and renew, in the same form without zones.
	Version  string   `json:"version,omitempty"` // Of this answer: another one says something else.
}
