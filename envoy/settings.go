package envoy

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse/gatehouse/internal/socket"
)

// Settings say who one Envoy is and where its files lie on its machine. Two equal Settings give the same bootstrap to the
// byte. Where Gatehouse is reached is not among them: see Services.
type Settings struct {
	// Fleet is the name that all Envoys with the same configuration share; it becomes node.cluster.
	Fleet string
	// Node is the name of this Envoy within its fleet; it becomes node.id.
	Node string
	// Zone is where this Envoy runs, for routing within a zone. It may be empty.
	Zone string
	// Labels describe this Envoy, for rollouts and queries; they become node metadata. They may be nil.
	Labels map[string]string
	// Dir is the absolute directory with this Envoy's own files: bootstrap, endpoints, admin socket.
	Dir string
	// Connections is the number of client connections beyond which this Envoy accepts no more; 0 means DefaultConnections.
	Connections int64
	// TrustDomain makes this Envoy speak mutual TLS with Gatehouse, which must be ServerID of it; the node's key and certificate
	// are in IdentityDir. Empty: no TLS, as on Unix sockets.
	TrustDomain string
	// Heap is the number of heap bytes near which this Envoy frees memory and then refuses requests; 0 sets no limit.
	Heap uint64
	// Metrics is where this Envoy sends its metrics, by OTLP over gRPC: HOST:PORT. Empty: nowhere.
	Metrics string
}

// DefaultConnections is the limit of client connections of one Envoy unless its Settings say another.
const DefaultConnections = 50_000

// SocketPathMax is the longest path of a Unix socket, in bytes, that Gatehouse accepts.
const SocketPathMax = socket.PathMax

// Bounds of names and labels: they travel in a header of every call and in the node of every stream.
const (
	nameMax       = 100
	labelsMax     = 64
	labelValueMax = 256
)

// AdminSocket returns the path of the Unix socket on which this Envoy's admin interface listens.
func (s Settings) AdminSocket() string { return filepath.Join(s.Dir, "admin.sock") }

// BootstrapFile returns the path of the bootstrap that Prepare writes.
func (s Settings) BootstrapFile() string { return filepath.Join(s.Dir, "bootstrap.yaml") }

// EndpointsDir returns the directory whose files tell this Envoy where Gatehouse is. Envoy watches it.
func (s Settings) EndpointsDir() string { return filepath.Join(s.Dir, "endpoints") }

// endpointsFile returns the path of the file with the endpoints of one cluster to Gatehouse.
func (s Settings) endpointsFile(cluster string) string {
	return filepath.Join(s.EndpointsDir(), cluster+".yaml")
}

// connections returns the limit of client connections with the default filled in.
func (s Settings) connections() int64 {
	if s.Connections == 0 {
		return DefaultConnections
	}
	return s.Connections
}

// Check reports everything that is wrong with the settings, in one joined error.
func (s Settings) Check() error {
	return errors.Join(
		CheckName("fleet", s.Fleet),
		CheckName("node", s.Node),
		checkZone(s.Zone),
		checkLabels(s.Labels),
		s.checkDir(),
		s.checkLimits(),
		s.checkMetrics(),
	)
}

func (s Settings) checkDir() error {
	if !filepath.IsAbs(s.Dir) {
		return fmt.Errorf("directory %q of node %q must be an absolute path, because Envoy may run elsewhere", s.Dir, s.Node)
	}
	return checkSocketPath(s.AdminSocket())
}

func (s Settings) checkLimits() error {
	if s.Connections < 0 {
		return fmt.Errorf("connection limit %d must not be negative", s.Connections)
	}
	return nil
}

// CheckName holds fleets and nodes to letters, digits, dot, dash and underscore: they are joined by a slash in
// HeaderNode, and Envoy would expand a per cent sign there.
func CheckName(what, name string) error {
	if name == "" {
		return fmt.Errorf("%s name is missing", what)
	}
	wrong := strings.ContainsFunc(name, func(r rune) bool { return !isLetterOrDigit(r) && !strings.ContainsRune("._-", r) })
	if wrong || len(name) > nameMax || !isLetterOrDigit(rune(name[0])) {
		return fmt.Errorf("%s name %q must be at most %d letters, digits, dots, dashes or underscores, a letter or digit first",
			what, name, nameMax)
	}
	return nil
}

func isLetterOrDigit(r rune) bool {
	return isLetter(r) || '0' <= r && r <= '9'
}

func isLetter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func checkZone(zone string) error {
	if zone == "" {
		return nil
	}
	return CheckName("zone", zone)
}

func checkLabels(labels map[string]string) error {
	if len(labels) > labelsMax {
		return fmt.Errorf("%d labels are more than %d", len(labels), labelsMax)
	}
	var faults []error
	for key, value := range labels {
		if err := CheckName("label", key); err != nil {
			faults = append(faults, err)
		}
		if len(value) > labelValueMax || !utf8.ValidString(value) {
			faults = append(faults, fmt.Errorf("value of label %q must be at most %d bytes of UTF-8", key, labelValueMax))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// checkSocketPath holds the path of a Unix socket to what the kernel can take.
func checkSocketPath(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("socket path %q must be absolute", path)
	}
	if len(path) > SocketPathMax {
		return fmt.Errorf("socket path %q has %d bytes, but a Unix socket's path may have at most %d: choose a shorter directory",
			path, len(path), SocketPathMax)
	}
	return nil
}
