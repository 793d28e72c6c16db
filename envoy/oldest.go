package envoy

import (
	"fmt"
	"slices"
)

// Oldest is the oldest version of Envoy for which everything that Gatehouse sends is known to be understood: the goldens of
// translate were validated with it, and with 1.38.3, 1.39.3 and 1.40.0. An older one may ignore a field that it does not know
// in silence, because of Envoy's rule for unknown fields in what comes from a control plane.
const Oldest = "1.37.0"

// TooOld returns what is to be said about an Envoy of a version before Oldest, and "" about any other. The version is as a node
// tells it, such as 1.36.2; one that is no version is not judged.
func TooOld(version string) string {
	told, ok := numbers(version)
	oldest, _ := numbers(Oldest)
	if !ok || slices.Compare(told[:], oldest[:]) >= 0 {
		return ""
	}
	return fmt.Sprintf("Envoy %s is older than %s: it may ignore settings that it does not know, so replace it", version, Oldest)
}

// numbers reads the three numbers of a version.
func numbers(version string) (n [3]int, ok bool) {
	read, err := fmt.Sscanf(version, "%d.%d.%d", &n[0], &n[1], &n[2])
	return n, err == nil && read == len(n)
}
