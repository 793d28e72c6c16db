package cache

import (
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

func newAny(content string) *anypb.Any {
	a, err := anypb.New(structpb.NewStringValue(content))
	if err != nil {
		return nil
	}
	return a
}

func TestTypesAreEnvoys(t *testing.T) {
	for k := range kinds {
		if got, ok := kindOfMessage(message(k, "n", "c")); !ok || got != k {
			t.Errorf("message of kind %s is taken for %v, %t", k.url(), got, ok)
		}
	}
}

func TestVersionIsTheContent(t *testing.T) {
	a, b := shot(t, "cluster:a@1 cluster:b@1 secret:s@1"), shot(t, "secret:s@1 cluster:b@1 cluster:a@1")
	if a.Version() != b.Version() {
		t.Error("the order of the items changes the version")
	}
	for k := range kinds {
		one, two := shot(t, shorts()[k]+":r/n@1"), shot(t, shorts()[k]+":r/n@2")
		if one.Version() == two.Version() || one.get(k, "r/n").Version == two.get(k, "r/n").Version {
			t.Errorf("%s: another content has the same version", k.url())
		}
		body, err := one.get(k, "r/n").Body().UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(body, message(k, "r/n", "1")) {
			t.Errorf("%s: the body is %v", k.url(), body)
		}
	}
	if one, two := shot(t, "cluster:a@1"), shot(t, "eds:a@1"); one.Version() == two.Version() {
		t.Error("another type has the same version")
	}
}

func TestResourcesAreSorted(t *testing.T) {
	var got []string
	for _, r := range shot(t, "cluster:b@1 cluster:c@1 cluster:a@1 secret:s@1").Resources(TypeCluster) {
		got = append(got, r.Name)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Error(diff)
	}
	if got := shot(t, "cluster:a@1").Resources("no/type"); got != nil {
		t.Errorf("an unknown type has %v", got)
	}
}

func TestSnapshotRefusesWhatCannotBeDelivered(t *testing.T) {
	items := []Item{
		{Message: structpb.NewStringValue("x"), Origin: "bank.yaml:1"},
		{Message: &clusterv3.Cluster{}, Origin: "bank.yaml:2"},
		{Message: message(clusters, "*", ""), Origin: "bank.yaml:3"},
		{Message: message(clusters, "a", ""), Origin: "bank.yaml:4"},
		{Message: message(clusters, "a", ""), Origin: "bank.yaml:5"},
		{Message: message(virtualHosts, "a", ""), Origin: "bank.yaml:6"},
		{Message: message(virtualHosts, "/a", ""), Origin: "bank.yaml:7"},
	}
	_, err := NewSnapshot("edge", "1", items)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"bank.yaml:1: google.protobuf.Value is no resource type",
		`bank.yaml:2: a resource of type ` + TypeCluster + ` is named ""`,
		`bank.yaml:3: a resource of type ` + TypeCluster + ` is named "*"`,
		`bank.yaml:5: two resources of type ` + TypeCluster + ` are named "a"`,
		`bank.yaml:6: virtual host "a" is not named ROUTE-CONFIGURATION/NAME`,
		`bank.yaml:7: virtual host "/a" is not named`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "bank.yaml:4") {
		t.Errorf("a good resource is refused:\n%v", err)
	}
}

func TestEndpointsNameOfACluster(t *testing.T) {
	eds := &clusterv3.Cluster_EdsClusterConfig{ServiceName: "service"}
	for name, test := range map[string]struct {
		cluster *clusterv3.Cluster
		want    string
	}{
		"not EDS":      {&clusterv3.Cluster{Name: "c", EdsClusterConfig: eds}, ""},
		"own name":     {&clusterv3.Cluster{Name: "c", ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}}, "c"},
		"service name": {&clusterv3.Cluster{Name: "c", EdsClusterConfig: eds, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}}, "service"},
	} {
		r, err := newResource(clusters, Item{Message: test.cluster})
		if err != nil {
			t.Fatal(err)
		}
		if r.endpoints != test.want {
			t.Errorf("%s: endpoints %q, want %q", name, r.endpoints, test.want)
		}
	}
}

// TestSnapshotAfterAnother takes over what was made from the same message, and nothing else.
func TestSnapshotAfterAnother(t *testing.T) {
	t.Parallel()
	a, b := message(clusters, "a", "1"), message(clusters, "b", "1")
	first, err := NewSnapshot("edge", "1", []Item{{Message: a, Origin: "a.yaml:1"}, {Message: b, Origin: "b.yaml:1"}})
	if err != nil {
		t.Fatal(err)
	}
	items := []Item{{Message: a, Origin: "a.yaml:1"}, {Message: message(clusters, "b", "2"), Origin: "b.yaml:1"}}
	got, err := NewSnapshotAfter(first, "edge", "2", items)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := NewSnapshot("edge", "2", items)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version() != fresh.Version() {
		t.Error("the version differs from that of a snapshot made from nothing")
	}
	if got.get(clusters, "a") != first.get(clusters, "a") || got.get(clusters, "b") == first.get(clusters, "b") {
		t.Error("a should be taken over, b should not")
	}
	items[0].Origin = "a.yaml:2"
	if got, err = NewSnapshotAfter(first, "edge", "3", items); err != nil || got.get(clusters, "a").Origin != "a.yaml:2" {
		t.Errorf("a moved in its file, and its place did not (%v)", err)
	}
}
