package join

import "time"

// Paths of the joining service.
const (
	pathJoin  = "/v1/join"
	pathRenew = "/v1/renew"
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
	Services    []string  `json:"services"` // Where the services are: IP:port; without an IP that of the server that was asked.
}
