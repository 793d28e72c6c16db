package envoy_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/golden"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// plain and full are the settings of the golden bootstraps: the least and the most that can be said.
func plain() envoy.Settings {
	return envoy.Settings{Fleet: "edge", Node: "edge-1", Dir: "/run/gatehouse/edge-1"}
}

func full() envoy.Settings {
	s := plain()
	s.Zone = "eu-1a"
	s.Labels = map[string]string{"tier": "gold", "canary": "on", "cell": "7"}
	s.Connections = 1000
	s.Heap = 1 << 30
	s.TrustDomain = "bank.test"
	s.Metrics = "127.0.0.1:4317"
	return s
}

// everywhere gives each service an address of another kind.
func everywhere() envoy.Services {
	return envoy.Services{
		XDS:       []string{"unix:/run/gatehouse/xds.sock"},
		Authz:     []string{"10.1.2.3:9001", "10.1.2.4:9001"},
		RateLimit: []string{"[fd00::1]:9002"},
	}
}

func TestBootstrapGolden(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]envoy.Settings{"plain": plain(), "full": full()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bootstrap, err := envoy.Bootstrap(settings)
			if err != nil {
				t.Fatal(err)
			}
			asYAML, err := envoy.RenderYAML(bootstrap)
			if err != nil {
				t.Fatal(err)
			}
			asJSON, err := envoy.RenderJSON(bootstrap)
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join("testdata", "bootstrap", name+".yaml"), asYAML)
			golden.Equal(t, filepath.Join("testdata", "bootstrap", name+".json"), asJSON)

			binary := needs.Envoy(t)
			here := settings
			here.Dir = needs.SocketDir(t)
			if _, err := envoy.Prepare(here, everywhere()); err != nil {
				t.Fatal(err)
			}
			for _, config := range [][]byte{asYAML, asJSON} {
				moved := bytes.ReplaceAll(config, []byte(settings.Dir), []byte(here.Dir))
				if err := envoy.Validate(t.Context(), binary, moved); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestEndpointsGolden(t *testing.T) {
	t.Parallel()
	settings := plain()
	settings.Dir = t.TempDir()
	if err := envoy.WriteEndpoints(settings, everywhere()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(settings.EndpointsDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 {
		t.Errorf("%d files of endpoints, want one for each of the 4 clusters and nothing else: %v", len(entries), entries)
	}
	for _, entry := range entries {
		got, err := os.ReadFile(filepath.Join(settings.EndpointsDir(), entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, filepath.Join("testdata", "endpoints", entry.Name()), got)
	}
}

func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*envoy.Settings)
		want   string
	}{
		"no fleet":         {func(s *envoy.Settings) { s.Fleet = "" }, "fleet name is missing"},
		"slash in a node":  {func(s *envoy.Settings) { s.Node = "a/b" }, `node name "a/b" must be`},
		"command operator": {func(s *envoy.Settings) { s.Node = "%START_TIME%" }, "node name"},
		"line break":       {func(s *envoy.Settings) { s.Fleet = "a\nb" }, "fleet name"},
		"long name":        {func(s *envoy.Settings) { s.Node = strings.Repeat("n", 101) }, "at most 100"},
		"zone":             {func(s *envoy.Settings) { s.Zone = "eu 1" }, "zone name"},
		"label":            {func(s *envoy.Settings) { s.Labels = map[string]string{"": "x"} }, "label name is missing"},
		"label value":      {func(s *envoy.Settings) { s.Labels = map[string]string{"k": "\xff"} }, `value of label "k"`},
		"relative":         {func(s *envoy.Settings) { s.Dir = "run" }, "absolute path"},
		"long directory":   {func(s *envoy.Settings) { s.Dir = "/" + strings.Repeat("d", 90) }, "has 102 bytes, but a Unix socket's path may have at most 100"},
		"metrics":          {func(s *envoy.Settings) { s.Metrics = "otel" }, "otel.bank.test:4317"},
		"connections":      {func(s *envoy.Settings) { s.Connections = -1 }, "must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := plain()
			test.change(&settings)
			_, err := envoy.Bootstrap(settings)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestSettingsReportsEveryFault(t *testing.T) {
	t.Parallel()
	err := envoy.Settings{Connections: -1}.Check()
	for _, want := range []string{"fleet name", "node name", "absolute path", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestAddressRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", "gatehouse.test:9000", "unix:", "unix:relative.sock",
		"unix:/" + strings.Repeat("s", 100),
	} {
		if address, err := envoy.Address(text); err == nil {
			t.Errorf("%q is taken as %v", text, address)
		}
	}
}

func TestWriteEndpointsWritesNothingWhenOneIsWrong(t *testing.T) {
	t.Parallel()
	settings := plain()
	settings.Dir = t.TempDir()
	wrong := everywhere()
	wrong.AccessLog = []string{"gatehouse.test:9000"}
	if err := envoy.WriteEndpoints(settings, wrong); err == nil {
		t.Error("a host name is taken as an endpoint")
	}
	if _, err := os.Stat(settings.EndpointsDir()); err == nil {
		t.Error("endpoints were written although one is wrong")
	}
}

// TestNearestFirst holds that replicas come in the order of their distance, without gaps between priorities, as Envoy wants them.
func TestNearestFirst(t *testing.T) {
	t.Parallel()
	all := []string{"10.0.0.1:1@two", "10.0.0.2:1@one", "10.0.0.3:1", "[2001:db8::1]:1@one", "unix:/run/x.sock"}
	for zone, want := range map[string]string{
		"one": "/run/x.sock 0, 10.0.0.2 1, 2001:db8::1 1, 10.0.0.1 2, 10.0.0.3 2",
		"":    "/run/x.sock 0, 10.0.0.1 1, 10.0.0.2 1, 10.0.0.3 1, 2001:db8::1 1",
	} {
		settings := plain()
		settings.Dir, settings.Zone = t.TempDir(), zone
		if err := envoy.WriteEndpoints(settings, envoy.Services{Authz: all}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(settings.EndpointsDir(), envoy.ClusterAuthz+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, group := range strings.Split(string(text), "- lb_endpoints:")[1:] {
			_, priority, found := strings.Cut(group, "priority: ")
			if !found {
				priority = "0"
			}
			for _, m := range regexp.MustCompile(`(?m)(?: address|path): "?([^"\s]+)"?$`).FindAllStringSubmatch(group, -1) {
				got = append(got, m[1]+" "+strings.TrimSpace(priority))
			}
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("in zone %q: %s, want %s", zone, got, want)
		}
	}
	for _, wrong := range []string{"10.0.0.1:1@a b", "10.0.0.1@one", "10.0.0.1:1@one@two"} {
		if _, err := envoy.Address(wrong); err == nil {
			t.Errorf("%q is taken for an address", wrong)
		}
	}
}
