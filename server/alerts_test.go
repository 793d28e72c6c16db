package server_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestAlertsNameMetrics holds the alert rules to the metrics that there are, with the labels that these have.
func TestAlertsNameMetrics(t *testing.T) {
	text, err := os.ReadFile("../docs/alerts.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range []string{"metrics.go", "metrics_remote.go", "metrics_delivery.go", "metrics_limits.go", "metrics_replicas.go", "metrics_keys.go", "metrics_identity.go"} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(code)
	}
	rules := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules++
			names := regexp.MustCompile(`gatehouse_\w+`).FindAllString(rule.Expr, -1)
			if len(names) == 0 || rule.Annotations["summary"] == "" {
				t.Errorf("%s asks for no metric of ours, or says nothing", rule.Alert)
			}
			for _, name := range names {
				made := regexp.MustCompile(`"` + strings.TrimPrefix(name, "gatehouse_") + `",[^\n]*`).FindString(source.String())
				if made == "" {
					t.Errorf("%s asks for %s, which there is not", rule.Alert, name)
				}
				for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(rule.Annotations["summary"], -1) {
					if !strings.Contains(made, `"`+label[1]+`"`) {
						t.Errorf("%s shows the label %s, which %s has not", rule.Alert, label[1], name)
					}
				}
			}
		}
	}
	if rules == 0 {
		t.Error("there are no rules")
	}
}
