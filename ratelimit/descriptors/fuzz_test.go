package descriptors_test

import (
	"strings"
	"testing"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"

	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
)

// FuzzLoad holds that no text makes the loader fall over, that every fault names a line of the file, and that what is taken can be asked.
// (Which texts envoyproxy/ratelimit takes is tried by TestFilesAreRefusedAsTheirs: here its parser and ours would be compared.)
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"domain: bank\ndescriptors:\n  - key: user\n    rate_limit: {unit: minute, requests_per_unit: 5}\n",
		"domain: bank\ndescriptors:\n  - &a {key: user, value: 'a*', share_threshold: true}\n  - <<: *a\n    value: b*\n",
		"domain: bank\ndescriptors: [{key: a, rate_limit: {unlimited: yes, replaces: [{name: b}]}}]\n---\ndomain: other\n",
		"domain: &d bank\ndescriptors: &l [{key: *d, descriptors: *l}]\n",
		"domain: 1.5\n", "- 1\n", "", "\t", "domain: bank\nDomain: bank\n", "a: &a [*a]", "{domain: x, <<: 5}", "domain: !!binary YQ==\n", "? [a]\n: b\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		files := []descriptors.File{fileOf("limits.yaml", text)}
		config, faults := descriptors.Load(files, descriptors.LoadOptions{})
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 2
		for _, fault := range faults {
			if fault.Place.File != "limits.yaml" || fault.Place.Line < 1 || fault.Place.Line > lines || fault.Place.Column < 1 || fault.Code == "" || fault.Message == "" {
				t.Errorf("the fault says too little: %+v", fault)
			}
			if strings.ContainsAny(fault.Message, "\n\r") {
				t.Errorf("the fault is longer than a line: %q", fault.Message)
			}
		}
		if faults != nil {
			return
		}
		for _, key := range []string{"user", "a", "bank"} {
			config.Find("bank", &ratelimitcommonv3.RateLimitDescriptor{Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{{Key: key, Value: "b"}, {Key: "user"}}})
		}
		if got := strings.Count(config.String(), "\n"); got > config.Rules() {
			t.Errorf("%d limits of %d rules", got, config.Rules())
		}
	})
}
