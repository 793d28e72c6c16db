package envoy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// EndpointHealth is how one Envoy sees one endpoint of a cluster.
type EndpointHealth struct {
	Cluster  string
	Address  string   // "IP:port" or "unix:/path".
	Troubles []string // Why requests go elsewhere, in words; empty: it is healthy.
	Active   uint64   // Requests under way.
	Priority int
	Zone     string
}

// clusterStatuses is what Envoy's admin says about clusters (envoy.admin.v3.Clusters), as far as it is read.
type clusterStatuses struct {
	Clusters []struct {
		Name  string `json:"name"`
		Hosts []struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
				Pipe struct {
					Path string `json:"path"`
				} `json:"pipe"`
			} `json:"address"`
			Stats []struct {
				Name  string `json:"name"`
				Value string `json:"value"`
			} `json:"stats"`
			Health   hostHealth `json:"health_status"`
			Priority int        `json:"priority"`
			Locality struct {
				Zone string `json:"zone"`
			} `json:"locality"`
		} `json:"host_statuses"`
	} `json:"cluster_statuses"`
}

// hostHealth is envoy.admin.v3.HostHealthStatus.
type hostHealth struct {
	Check   bool   `json:"failed_active_health_check"`
	Outlier bool   `json:"failed_outlier_check"`
	First   bool   `json:"pending_active_hc"`
	Removed bool   `json:"pending_dynamic_removal"`
	EDS     string `json:"eds_health_status"`
}

// troubles returns why requests go elsewhere.
func (h hostHealth) troubles() []string {
	var out []string
	for _, t := range []struct {
		is   bool
		text string
	}{
		{h.Check, "fails its checks"},
		{h.Outlier, "ejected"},
		{h.First, "not checked yet"},
		{h.Removed, "removed, its requests end"},
		{h.EDS != "" && h.EDS != "HEALTHY" && h.EDS != "UNKNOWN", strings.ToLower(h.EDS)},
	} {
		if t.is {
			out = append(out, t.text)
		}
	}
	return out
}

// Endpoints returns how the Envoy sees the endpoints of all its clusters, in order of clusters and addresses.
func (a *Admin) Endpoints(ctx context.Context) ([]EndpointHealth, error) {
	answer, err := a.Get(ctx, "/clusters?format=json")
	if err != nil {
		return nil, err
	}
	var all clusterStatuses
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("read what envoy's admin says about clusters: %w", err)
	}
	var out []EndpointHealth
	for _, c := range all.Clusters {
		for _, h := range c.Hosts {
			e := EndpointHealth{
				Cluster: c.Name, Address: net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port)),
				Troubles: h.Health.troubles(), Priority: h.Priority, Zone: h.Locality.Zone,
			}
			if path := h.Address.Pipe.Path; path != "" {
				e.Address = SocketScheme + path
			}
			for _, s := range h.Stats {
				if s.Name == "rq_active" {
					e.Active, _ = strconv.ParseUint(s.Value, 10, 64) // Envoy writes it.
				}
			}
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b EndpointHealth) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Address, b.Address))
	})
	return out, nil
}
