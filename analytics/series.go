package analytics

import "github.com/gatehouse/gatehouse/gateway"

// Time series that /metrics has for each of what it names.
const (
	seriesOfOperation = classes                      // One for each class of status.
	seriesOfVersion   = len(histogram{}.buckets) + 2 // The buckets, the count and the sum.
	seriesOfAPI       = 2                            // Requests let through: by authorization, by limits.
)

// Series returns how many time series /metrics has of a revision when each of its operations was answered with every class of
// status. Beyond 2,000 operations and 1,000 versions there are no more.
func Series(rev *gateway.Revision) int {
	operations, versions, apis := map[operation]bool{}, map[operation]bool{}, map[string]bool{}
	for _, r := range rev.Routes {
		operations[operation{r.API, r.Version, r.Operation}] = true
		versions[operation{api: r.API, version: r.Version}] = true
		apis[r.API] = true
	}
	return min(len(operations), maxOperations)*seriesOfOperation + min(len(versions), maxVersions)*seriesOfVersion + len(apis)*seriesOfAPI
}
