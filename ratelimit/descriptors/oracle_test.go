package descriptors_test

import (
	"errors"
	"fmt"
	"testing"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	"github.com/envoyproxy/ratelimit/src/config"
	"github.com/envoyproxy/ratelimit/src/settings"
	"github.com/envoyproxy/ratelimit/src/stats"
	gostats "github.com/lyft/gostats"

	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
)

// theirs is envoyproxy/ratelimit itself: what its configuration says of a file, and of a descriptor.
type theirs struct{ stats stats.Manager }

func newTheirs() theirs {
	return theirs{stats: stats.NewStatManager(gostats.NewStore(gostats.NewNullSink(), false), settings.Settings{})}
}

// load loads files as its provider does. It tells errors by panics.
func (o theirs) load(files []descriptors.File, merge bool) (loaded config.RateLimitConfig, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			known, ok := cause.(config.RateLimitConfigError)
			if !ok {
				err = fmt.Errorf("it fell over: %v", cause)
				return
			}
			err = known
		}
	}()
	var all []config.RateLimitConfigToLoad
	for _, f := range files {
		all = append(all, config.RateLimitConfigToLoad{Name: f.Name, ConfigYaml: config.ConfigFileContentToYaml(f.Name, string(f.Text))})
	}
	return config.NewRateLimitConfigLoaderImpl().Load(all, o.stats, merge), nil
}

// find returns its limit of a descriptor in the form of ours.
func (o theirs) find(t testing.TB, c config.RateLimitConfig, domain string, d *ratelimitcommonv3.RateLimitDescriptor) (descriptors.Found, bool) {
	t.Helper()
	l := c.GetLimit(t.Context(), domain, d)
	if l == nil {
		return descriptors.Found{}, false
	}
	f := descriptors.Found{
		Limit: l.Limit, Unlimited: l.Unlimited, Shadow: l.ShadowMode, Quota: l.QuotaMode, Detailed: l.DetailedMetric,
		Replaces: l.Replaces, Series: l.FullKey, Shared: make([]string, len(d.GetEntries())),
	}
	copy(f.Shared, l.ShareThresholdKeyPattern)
	return f, true
}

// both loads files with both, and returns whether both take them. That only one does is a failure.
func both(t testing.TB, o theirs, files []descriptors.File, merge bool) (*descriptors.Config, config.RateLimitConfig, bool) {
	t.Helper()
	ours, faults := descriptors.Load(files, descriptors.LoadOptions{Merge: merge})
	loaded, err := o.load(files, merge)
	if (err == nil) != (faults == nil) {
		t.Fatalf("envoyproxy/ratelimit says %v, we say %v, of:\n%s", err, faults, show(files))
	}
	var known config.RateLimitConfigError
	if err != nil && !errors.As(err, &known) {
		t.Logf("envoyproxy/ratelimit falls over: %v", err)
	}
	return ours, loaded, err == nil
}

func show(files []descriptors.File) string {
	text := ""
	for _, f := range files {
		text += "--- " + f.Name + "\n" + string(f.Text) + "\n"
	}
	return text
}
