package opaconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/internal/suggest"
)

// node is what is known of a value of the file. The zero node is a value whose inside is free.
type node struct {
	fields map[string]node // Of an object; nil: not an object of known keys.
	each   *node           // Of every element of a list or an object with free names.
	inert  string          // Why the key has no effect; empty: it has one.
	wrong  string          // Why the key must not be there; empty: it may.
}

// object is a node with fields; names without a node of their own are values that are read.
func object(names string, more map[string]node) node {
	fields := map[string]node{}
	for name := range strings.FieldsSeq(names) {
		fields[name] = node{}
	}
	maps.Copy(fields, more)
	return node{fields: fields}
}

func eachOf(n node) node { return node{each: &n} }

func inert(why string) node { return node{inert: why} }

func wrong(why string) node { return node{wrong: why} }

// root is every key of OPA's configuration.
func root() node {
	return object("labels persistence_directory", map[string]node{
		"services": eachOf(serviceKeys()),
		"keys": eachOf(object("key algorithm scope", map[string]node{
			"private_key": inert("nothing is signed here"),
		})),
		"bundle":                         object("name service prefix", map[string]node{"polling": pollingKeys()}),
		"bundles":                        eachOf(bundleKeys()),
		"decision_logs":                  logKeys(),
		"plugins":                        {fields: map[string]node{"envoy_ext_authz_grpc": pluginKeys()}},
		"discovery":                      wrong("discovery is not supported: write the configuration that it would bring"),
		"status":                         inert("the state is told by the health service and the metrics"),
		"default_decision":               inert("only Envoy asks, by the plugin's path"),
		"default_authorization_decision": inert("there is no REST API of OPA's"),
		"caching":                        inert("the caches are bounded by Gatehouse itself"),
		"nd_builtin_cache":               inert("decisions are not recorded for replay"),
		"distributed_tracing":            inert("no traces are sent"),
		"metrics_export":                 inert("metrics are read at --diagnostics"),
		"server":                         inert("there is no REST API of OPA's"),
		"storage":                        inert("data is kept in memory"),
	})
}

func serviceKeys() node {
	return object("name url headers allow_insecure_tls response_header_timeout_seconds", map[string]node{
		"tls": object("ca_cert system_ca_required", nil),
		"credentials": object("", map[string]node{
			"bearer": object("token token_path scheme", nil),
			"client_tls": object("cert private_key ca_cert system_ca_required", map[string]node{
				"private_key_passphrase":       wrong("a key with a passphrase is not supported: give it without one, readable by this user alone"),
				"cert_reread_interval_seconds": inert("the files are read for every connection"),
			}),
			"oauth2":                 wrong("oauth2 is not supported: use bearer with token_path"),
			"s3_signing":             wrong("s3_signing is not supported: use bearer with token_path"),
			"gcp_metadata":           wrong("gcp_metadata is not supported: use bearer with token_path"),
			"azure_managed_identity": wrong("azure_managed_identity is not supported: use bearer with token_path"),
			"plugin":                 wrong("plugins for credentials are not supported: use bearer with token_path"),
		}),
		"type": wrong("services of a type, such as oci, are not supported: only HTTP servers are"),
	})
}

func pollingKeys() node {
	return object("min_delay_seconds max_delay_seconds long_polling_timeout_seconds", map[string]node{
		"superseded_etag_ttl_seconds": inert("only the ETag of the bundle in use is sent"),
	})
}

func bundleKeys() node {
	return object("service resource persist size_limit_bytes trigger", map[string]node{
		"polling": pollingKeys(),
		"signing": object("keyid scope exclude_files", map[string]node{
			"allow_unsigned_delta_bundles": inert("bundles of changes are not taken"),
		}),
	})
}

func logKeys() node {
	return object("console service resource partition_name mask_decision drop_decision", map[string]node{
		"reporting": object("trigger buffer_size_limit_bytes buffer_size_limit_events upload_size_limit_bytes min_delay_seconds max_delay_seconds max_decisions_per_second", map[string]node{
			"buffer_type": inert("both limits of the buffer hold"),
		}),
		"plugin":           wrong("plugins for decision logs are not supported: use console or service"),
		"request_context":  inert("the request is in the input"),
		"nd_builtin_cache": inert("decisions are not recorded for replay"),
	})
}

func pluginKeys() node {
	return object("addr path query dry-run enable-reflection proto-descriptor grpc-max-recv-msg-size grpc-max-send-msg-size "+
		"skip-request-body-parse enable-performance-metrics grpc-request-duration-seconds-buckets", nil)
}

// findings are what was found out about the keys of a file.
type findings struct {
	unknown []string
	inert   []string
}

// walk goes through a value and notes the keys that are not known or have no effect.
func (f *findings) walk(at string, value any, n node) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			f.key(strings.TrimPrefix(at+"."+name, "."), name, value[name], n)
		}
	case []any:
		for i, element := range value {
			if n.each != nil {
				f.walk(fmt.Sprintf("%s[%d]", at, i), element, *n.each)
			}
		}
	}
}

func (f *findings) key(at, name string, value any, n node) {
	if n.each != nil {
		f.walk(at, value, *n.each)
		return
	}
	if n.fields == nil {
		return
	}
	inner, known := n.fields[name]
	switch {
	case !known && at == "plugins."+name:
		f.unknown = append(f.unknown, fmt.Sprintf("%s: only the plugin envoy_ext_authz_grpc is known here: take the key out", at))
	case !known:
		message := fmt.Sprintf("%s: unknown key", at)
		if near, ok := suggest.Nearest(name, slices.Sorted(maps.Keys(n.fields))); ok {
			message += fmt.Sprintf(", did you mean %s?", near)
		}
		f.unknown = append(f.unknown, message)
	case inner.wrong != "":
		f.unknown = append(f.unknown, at+": "+inner.wrong)
	case inner.inert != "":
		f.inert = append(f.inert, at+" has no effect: "+inner.inert)
	default:
		f.walk(at, value, inner)
	}
}
