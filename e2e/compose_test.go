//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// composeFile returns docker-compose.yml as Docker would read it, with an empty environment and every profile.
func composeFile(t *testing.T) *types.Project {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestComposeFile holds docker-compose.yml and the Dockerfile to what both promise.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	project := composeFile(t)
	if got, want := project.ServiceNames(), []string{"echo", "edge", "gatehouse", "postgres", "redis"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Fatalf("services are %q, want %q", got, want)
	}
	ours := []string{"gatehouse", "edge", "echo"}
	for name, s := range project.Services {
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 || s.HealthCheck.Interval == nil || s.HealthCheck.Timeout == nil {
			t.Errorf("%s has no health check with interval and timeout", name)
		}
		if len(s.Volumes) == 0 {
			t.Errorf("%s keeps nothing on a volume", name)
		}
		checkSecrets(t, name, s)
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %d on %q, not on loopback alone", name, port.Target, port.HostIP)
			}
		}
		if !slices.Contains(ours, name) {
			continue
		}
		if s.User != project.Services["gatehouse"].User || s.User == "" || strings.HasPrefix(s.User, "0") || strings.HasPrefix(s.User, "root") {
			t.Errorf("%s runs as user %q: the sockets need one for all, and not root", name, s.User)
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may write its image or gain privileges", name)
		}
		// Whatever a machine may want to say otherwise is in the environment, not in the command.
		for _, word := range slices.Concat([]string(s.Command), []string(s.HealthCheck.Test)) {
			if regexp.MustCompile(`(^|[^$\w])/[a-z]+/|\d+\.\d+\.\d+\.\d+|unix:`).MatchString(word) {
				t.Errorf("the command of %s holds a path or an address: %q", name, word)
			}
		}
	}
}

// checkSecrets looks for a secret in the file: a variable that is called one must name a file or a variable.
func checkSecrets(t *testing.T, name string, s types.ServiceConfig) {
	t.Helper()
	called := regexp.MustCompile(`(?i)password|secret|token|key`)
	for variable, value := range s.Environment {
		if called.MatchString(variable) && value != nil && !regexp.MustCompile(`^(/run/secrets/|file:|env:)`).MatchString(*value) {
			t.Errorf("%s is told %s in the file itself", name, variable)
		}
	}
	for _, secret := range s.Secrets {
		if secret.Source == "" {
			t.Errorf("%s has a secret without a source", name)
		}
	}
}

func TestComposeSecretsComeFromOutside(t *testing.T) {
	t.Parallel()
	for name, secret := range composeFile(t).Secrets {
		if secret.Environment == "" || secret.Content != "" || secret.File != "" {
			t.Errorf("secret %s does not come from the environment: %+v", name, secret)
		}
	}
}

// TestImageVersions holds the versions that are written out in the Dockerfile against where they are decided.
func TestImageVersions(t *testing.T) {
	t.Parallel()
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))
	if language == nil {
		t.Fatal("go.mod does not say which Go")
	}
	for argument, want := range map[string]string{"ENVOY_VERSION": envoy.Version(), "GO_VERSION": language[1]} {
		if !strings.Contains(string(dockerfile), "\nARG "+argument+"="+want+"\n") {
			t.Errorf("the Dockerfile does not say ARG %s=%s", argument, want)
		}
	}
	services := composeFile(t).Services
	built := map[string]bool{}
	for _, s := range services {
		built[s.Image] = built[s.Image] || s.Build != nil
	}
	for name, s := range services {
		if s.Build != nil && !strings.Contains(string(dockerfile), " AS "+s.Build.Target+"\n") {
			t.Errorf("%s is built from the target %q, which the Dockerfile does not have", name, s.Build.Target)
		}
		if !built[s.Image] && (strings.HasSuffix(s.Image, ":latest") || !strings.Contains(s.Image, ":")) {
			t.Errorf("%s takes whatever image is the latest: %q", name, s.Image)
		}
	}
}

// composed is the compose file on this machine: what are volumes there are directories here, every other word is the file's.
type composed struct {
	*world
	programs
	project *types.Project
	places  *strings.Replacer
	running map[string]*process
	order   []string // As they were started.
}

// composeStarts starts gatehouse, edge and echo by the commands, the environment and the order of docker-compose.yml, waits
// for their health checks, sends a request through, and ends them as Docker does.
func composeStarts(t *testing.T, p programs) {
	c := newComposed(t, p)
	ours := []string{"edge", "echo", "gatehouse"}
	for _, name := range ours {
		if code := c.check(name); code != 1 {
			t.Errorf("before the start the health check of %s ends with exit code %d, want 1", name, code)
		}
	}
	for _, name := range ours {
		c.up(name)
	}
	for _, name := range c.order {
		eventually(t, name+" is healthy", func() bool { return c.check(name) == 0 })
	}
	var a answer
	c.eventually("a request comes through", func() bool {
		var err error
		a, err = c.do("GET", c.url("PORT", "/hello/world"))
		return err == nil && a.status == 200
	})
	if got := a.echoed(t); got.Name != "echo" || got.Path != "/hello/world" {
		t.Errorf("the backend that answers is %q, and sees %q", got.Name, got.Path)
	}
	for _, name := range slices.Backward(c.order) {
		c.running[name].end(syscall.SIGTERM)
		if code := c.check(name); code != 1 {
			t.Errorf("after the end the health check of %s ends with exit code %d, want 1", name, code)
		}
	}
}

// newComposed makes a directory for each volume, and the documents with a listener on loopback.
func newComposed(t *testing.T, p programs) *composed {
	t.Helper()
	c := &composed{project: composeFile(t), programs: p, running: map[string]*process{}}
	at := map[string]string{} // By path in the containers.
	for _, name := range []string{"gatehouse", "edge", "echo"} {
		for _, v := range c.project.Services[name].Volumes {
			if at[v.Target] == "" {
				at[v.Target] = needs.SocketDir(t)
			}
		}
	}
	var pairs []string
	for _, path := range slices.Sorted(maps.Keys(at)) {
		pairs = append(pairs, path, at[path])
	}
	c.places = strings.NewReplacer(pairs...)
	documents := map[string]string{}
	for _, v := range c.project.Services["gatehouse"].Volumes {
		if v.Type == types.VolumeTypeBind {
			documents = c.documents(t, v.Source)
		}
	}
	c.world = prepare(t, documents, nil)
	c.places = strings.NewReplacer(append([]string{"/etc/gatehouse", c.dir}, pairs...)...)
	return c
}

// documents reads a directory of documents with their paths on this machine.
func (c *composed) documents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	published := c.project.Services["edge"].Ports[0].Target
	documents := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents[filepath.Base(file)] = strings.NewReplacer(
			fmt.Sprintf("port: %d", published), "port: ${PORT}", "address: 0.0.0.0", "address: 127.0.0.1",
		).Replace(c.places.Replace(string(text)))
	}
	return documents
}

// told returns what the file tells a service, with the places of this machine.
func (c *composed) told(name string) []string {
	var env []string
	for variable, value := range c.project.Services[name].Environment {
		if value != nil {
			env = append(env, variable+"="+c.places.Replace(*value))
		}
	}
	return env
}

// up starts a service once what it depends on is as far as it must be.
func (c *composed) up(name string) {
	c.t.Helper()
	if c.running[name] != nil {
		return
	}
	s := c.project.Services[name]
	for other, how := range s.DependsOn {
		c.up(other)
		if how.Condition == types.ServiceConditionHealthy {
			eventually(c.t, other+" is healthy, for "+name, func() bool { return c.check(other) == 0 })
		}
	}
	c.running[name] = c.start(c.t, c.told(name), unescaped(slices.Concat([]string(s.Entrypoint), []string(s.Command)))...)
	c.order = append(c.order, name)
}

// check runs the health check of a service and returns its exit code.
func (c *composed) check(name string) int {
	c.t.Helper()
	test := c.project.Services[name].HealthCheck.Test
	if test[0] != "CMD" {
		c.t.Fatalf("the health check of %s is no command: %q", name, test)
	}
	code, _ := c.run(c.t, c.told(name), unescaped(test[1:])...)
	return code
}

// unescaped returns words as a container gets them.
func unescaped(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ReplaceAll(w, "$$", "$")
	}
	return out
}

// redisStarts starts Redis by its command, in a directory and on a socket of its own. PostgreSQL has no command in the file:
// what its image does at the start, from initdb to the password, is the image's own.
func redisStarts(t *testing.T, p programs) {
	needs.Binary(t, "redis-server")
	s := composeFile(t).Services["redis"]
	dir := needs.SocketDir(t)
	socket := filepath.Join(dir, "redis.sock")
	redis := p.start(t, nil, append(slices.Clone(s.Command), "--dir", dir, "--port", "0", "--unixsocket", socket)...)
	test := s.HealthCheck.Test
	check := append([]string{test[1], "-s", socket}, test[2:]...)
	eventually(t, "redis is healthy", func() bool {
		code, out := p.run(t, nil, check...)
		return code == 0 && strings.TrimSpace(out) == "PONG"
	})
	if _, err := os.Stat(filepath.Join(dir, "appendonlydir")); err != nil {
		t.Errorf("it keeps nothing: %v", err)
	}
	redis.end(syscall.SIGTERM)
}
