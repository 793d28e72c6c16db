// Package opaconfig reads the configuration file of an OPA that runs opa-envoy-plugin, so that Gatehouse can take its place.
//
// In: the file (YAML or JSON) and the environment, which it may refer to. Out: a Config of what Gatehouse does with it, and
// notes on what it does not do: every key that has no effect is named. A key that OPA does not know, or one without which
// the file would mean something else, is an error.
package opaconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
)

// Config is what the file says (OPA's documentation, "Configuration Reference"; opa-envoy-plugin's, "Configuration").
type Config struct {
	Labels      map[string]string  `json:"labels"`
	Services    map[string]Service `json:"-"`
	Keys        map[string]Key     `json:"keys"`
	Bundles     map[string]*Bundle `json:"bundles"`
	Legacy      *LegacyBundle      `json:"bundle"`
	Logs        *Logs              `json:"decision_logs"`
	Persistence string             `json:"persistence_directory"`
	Plugins     struct {
		Envoy Plugin `json:"envoy_ext_authz_grpc"`
	} `json:"plugins"`
}

// Key is a key by which signatures are checked.
type Key struct {
	Key       string `json:"key"`
	Algorithm string `json:"algorithm"`
	Scope     string `json:"scope"`
}

// Bundle is where a bundle comes from.
type Bundle struct {
	Service  string   `json:"service"`
	Resource string   `json:"resource"` // Below the service's URL, or a file:// URL; empty: "bundles/NAME".
	Persist  bool     `json:"persist"`
	Limit    int64    `json:"size_limit_bytes"`
	Trigger  string   `json:"trigger"`
	Polling  Polling  `json:"polling"`
	Signing  *Signing `json:"signing"`
}

// Polling is how often a bundle is asked for, in seconds.
type Polling struct {
	Min  int64 `json:"min_delay_seconds"`
	Max  int64 `json:"max_delay_seconds"`
	Long int64 `json:"long_polling_timeout_seconds"`
}

// Signing is who must have signed a bundle.
type Signing struct {
	KeyID   string   `json:"keyid"`
	Scope   string   `json:"scope"`
	Exclude []string `json:"exclude_files"`
}

// LegacyBundle is the one bundle of the key "bundle", which came before "bundles".
type LegacyBundle struct {
	Name    string  `json:"name"`
	Service string  `json:"service"`
	Prefix  *string `json:"prefix"`
	Polling Polling `json:"polling"`
}

// Logs is where decisions are written.
type Logs struct {
	Console   bool   `json:"console"`
	Service   string `json:"service"`
	Resource  string `json:"resource"` // Below the service's URL; empty: "logs".
	Partition string `json:"partition_name"`
	Mask      string `json:"mask_decision"`
	Drop      string `json:"drop_decision"`
	Reporting struct {
		Trigger      string  `json:"trigger"`
		BufferBytes  int64   `json:"buffer_size_limit_bytes"`
		BufferEvents int64   `json:"buffer_size_limit_events"`
		UploadBytes  int64   `json:"upload_size_limit_bytes"`
		Min          int64   `json:"min_delay_seconds"`
		Max          int64   `json:"max_delay_seconds"`
		PerSecond    float64 `json:"max_decisions_per_second"`
	} `json:"reporting"`
}

// Plugin is the configuration of opa-envoy-plugin itself.
type Plugin struct {
	Address     string    `json:"addr"` // Empty: ":9191".
	Path        string    `json:"path"` // Empty: "envoy/authz/allow".
	Query       string    `json:"query"`
	DryRun      bool      `json:"dry-run"`
	Reflection  bool      `json:"enable-reflection"`
	Descriptors string    `json:"proto-descriptor"` // A file.
	MaxReceive  int       `json:"grpc-max-recv-msg-size"`
	MaxSend     int       `json:"grpc-max-send-msg-size"`
	SkipBody    bool      `json:"skip-request-body-parse"`
	Metrics     bool      `json:"enable-performance-metrics"`
	Buckets     []float64 `json:"grpc-request-duration-seconds-buckets"`
}

// Parse reads the file. The notes name, one by one, the keys that have no effect.
func Parse(text []byte, lookup func(string) (string, bool)) (*Config, []string, error) {
	var tree any
	if err := util.Unmarshal(substitute(text, lookup), &tree); err != nil {
		return nil, nil, fmt.Errorf("the configuration is neither YAML nor JSON: %w", err)
	}
	var found findings
	found.walk("", tree, root())
	if len(found.unknown) > 0 {
		return nil, nil, fmt.Errorf("%s", strings.Join(found.unknown, "; "))
	}
	spelt, err := json.Marshal(tree)
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	c := &Config{}
	if err := json.Unmarshal(spelt, c); err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	if err := c.readServices(spelt); err != nil {
		return nil, nil, err
	}
	if err := c.complete(); err != nil {
		return nil, nil, err
	}
	return c, found.inert, nil
}

// substitute puts the values of variables in the place of ${NAME}, as OPA does: nothing where a variable is not set.
func substitute(text []byte, lookup func(string) (string, bool)) []byte {
	return regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllFunc(text, func(found []byte) []byte {
		value, _ := lookup(string(found[2 : len(found)-1]))
		return []byte(value)
	})
}

// readServices reads the services, which are an object by name, or a list of objects with names.
func (c *Config) readServices(spelt []byte) error {
	var file struct {
		Services json.RawMessage `json:"services"`
	}
	if err := json.Unmarshal(spelt, &file); err != nil || len(file.Services) == 0 {
		return err
	}
	c.Services = map[string]Service{}
	var list []Service
	if json.Unmarshal(file.Services, &list) == nil {
		for _, s := range list {
			c.Services[s.Name] = s
		}
		return nil
	}
	if err := json.Unmarshal(file.Services, &c.Services); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	return nil
}

// complete fills what the file leaves out, and refuses what does not fit together.
func (c *Config) complete() error {
	if c.Legacy != nil {
		c.completeLegacy()
	}
	for _, name := range slices.Sorted(maps.Keys(c.Bundles)) {
		if c.Bundles[name] == nil { // OPA leaves it out too: a null takes a bundle away.
			delete(c.Bundles, name)
			continue
		}
		if err := c.completeBundle(name, c.Bundles[name]); err != nil {
			return fmt.Errorf("bundles.%s: %w", name, err)
		}
	}
	p := &c.Plugins.Envoy
	if p.Path != "" && p.Query != "" {
		return errors.New("plugins.envoy_ext_authz_grpc: path and query say the same: write only path")
	}
	if p.Path == "" {
		p.Path = p.Query
	}
	if p.Path == "" {
		p.Path = "envoy/authz/allow"
	}
	if c.Logs != nil {
		return c.completeLogs()
	}
	return nil
}

func (c *Config) completeLegacy() {
	prefix := "bundles"
	if c.Legacy.Prefix != nil {
		prefix = strings.Trim(*c.Legacy.Prefix, "/")
	}
	if c.Bundles == nil {
		c.Bundles = map[string]*Bundle{}
	}
	c.Bundles[c.Legacy.Name] = &Bundle{
		Service: c.Legacy.Service, Resource: strings.Trim(prefix+"/"+c.Legacy.Name, "/"), Polling: c.Legacy.Polling,
	}
}

func (c *Config) completeBundle(name string, b *Bundle) error {
	if b.Resource == "" {
		b.Resource = "bundles/" + name
	}
	if b.Trigger != "" && b.Trigger != "periodic" {
		return fmt.Errorf("the trigger %q is not supported: only periodic is", b.Trigger)
	}
	if b.Polling.Max < b.Polling.Min || b.Polling.Min < 0 || b.Polling.Long < 0 {
		return errors.New("polling: the delays are not in order: min_delay_seconds, then max_delay_seconds")
	}
	if b.Signing != nil && len(c.Keys) == 0 {
		return errors.New("signing: there are no keys to check signatures by: write them under keys")
	}
	if b.Signing != nil && b.Signing.KeyID != "" {
		if _, known := c.Keys[b.Signing.KeyID]; !known {
			return fmt.Errorf("signing: there is no key %q under keys", b.Signing.KeyID)
		}
	}
	if strings.HasPrefix(b.Resource, "file://") {
		return nil
	}
	only, err := c.service(b.Service)
	b.Service = only
	return err
}

// service returns the name of a service; without one, of the only one that there is.
func (c *Config) service(name string) (string, error) {
	if name == "" && len(c.Services) == 1 {
		for only := range c.Services {
			return only, nil
		}
	}
	if _, known := c.Services[name]; !known {
		return "", fmt.Errorf("there is no service %q under services", name)
	}
	return name, nil
}

func (c *Config) completeLogs() error {
	l := c.Logs
	if l.Reporting.Trigger != "" && l.Reporting.Trigger != "periodic" {
		return fmt.Errorf("decision_logs.reporting: the trigger %q is not supported: only periodic is", l.Reporting.Trigger)
	}
	if l.Resource == "" {
		l.Resource = strings.TrimSuffix("logs/"+l.Partition, "/")
	}
	if l.Service == "" && (l.Console || len(c.Services) == 0) {
		return nil
	}
	name, err := c.service(l.Service)
	if err != nil {
		return fmt.Errorf("decision_logs: %w", err)
	}
	l.Service = name
	return nil
}
