package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Bounds of a connection.
const (
	dialTimeout = 500 * time.Millisecond
	// answerTimeout is after how long without any answer a connection is given up. Calls wait for less.
	answerTimeout = time.Second
	ringScale     = 4 // Commands of one connection, as a power of two: there is one at a time.
	bufferBytes   = 64 << 10
)

// ErrAddress tells that an address of a store is none. It never holds the address, in which a password may be.
var ErrAddress = errors.New("write redis://HOST:PORT, rediss://HOST:PORT (TLS) or unix:/absolute/path, as redis://USER:PASSWORD@HOST:PORT/DB?namespace=NAME in full; more nodes of a cluster as &addr=HOST:PORT")

// namespaceMax bounds a namespace, in bytes.
const namespaceMax = 64

// Address is where a store is.
type Address struct {
	options   rueidis.ClientOption
	namespace string
	// Secret tells that a password stands in it.
	Secret bool
}

// ParseAddress reads an address. The error is or wraps ErrAddress.
func ParseAddress(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		text = "unix://" + path
	}
	u, err := url.Parse(text)
	if err != nil {
		return Address{}, ErrAddress // The error itself repeats what it read.
	}
	switch {
	case u.Scheme == "unix" && (u.Host != "" || len(u.Path) < 2):
		return Address{}, ErrAddress
	case u.Scheme == "redis" || u.Scheme == "rediss":
		if u.Hostname() == "" {
			return Address{}, ErrAddress
		}
	case u.Scheme != "unix":
		return Address{}, ErrAddress
	}
	namespace, err := namespaceOf(u)
	if err != nil {
		return Address{}, err
	}
	o, err := rueidis.ParseURL(u.String())
	if err != nil {
		return Address{}, ErrAddress
	}
	if o.TLSConfig != nil {
		o.TLSConfig.MinVersion = tls.VersionTLS12
	}
	return Address{options: bounded(o), namespace: namespace, Secret: o.Password != ""}, nil
}

// namespaceOf takes the namespace out of an address; what is not known there is refused, as a misspelt word would be ignored.
func namespaceOf(u *url.URL) (string, error) {
	words := u.Query()
	for word := range words {
		switch word {
		case "namespace", "db", "addr":
		default:
			return "", fmt.Errorf("%w: %q is not known there", ErrAddress, word)
		}
	}
	name := words.Get("namespace")
	if name == "" {
		name = "gatehouse"
	}
	if len(name) > namespaceMax || strings.ContainsAny(name, "{}") {
		return "", fmt.Errorf("%w: the namespace has at most %d bytes and no braces", ErrAddress, namespaceMax)
	}
	words.Del("namespace")
	u.RawQuery = words.Encode()
	// The braces make the name the hash tag: all keys are in one slot of a cluster.
	return "{" + name + "}:", nil
}

// bounded sets how connections behave.
func bounded(o rueidis.ClientOption) rueidis.ClientOption {
	o.Dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: answerTimeout}
	o.ConnWriteTimeout = answerTimeout
	o.DisableCache = true
	o.DisableRetry = true // What was spent by a call without an answer is not known.
	// Each sender of ours has a connection for itself, and reads the answer where it wrote: no other goroutine is woken.
	o.DisableAutoPipelining = true
	o.BlockingPoolSize = senders + 2 // One to look at the server, one to reset buckets.
	o.RingScaleEachConn = ringScale
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferBytes, bufferBytes
	o.ClientName = "gatehouse"
	o.ClientSetInfo = rueidis.DisableClientSetInfo
	return o
}
