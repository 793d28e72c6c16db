package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
)

// newFormat returns the flag -o of verbs that print data.
func newFormat(c *cobra.Command) *choice {
	format := newChoice("table", "table", "json", "yaml")
	format.add(c, "output", "o", "form of the data")
	return &format
}

// write writes data in the chosen form: as JSON or YAML by its json tags, or by table, for people.
func (c *choice) write(w io.Writer, data any, table func(io.Writer) error) error {
	switch c.value {
	case "json":
		text, err := json.MarshalIndent(data, "", "  ")
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	case "yaml":
		return printYAML(w, data)
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if err := table(columns); err != nil {
		return err
	}
	return columns.Flush()
}

// printYAML writes data as YAML with the names and the order of its JSON form.
func printYAML(w io.Writer, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	plain(&node)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// plain takes JSON's braces and quotes from nodes; empty lists and maps keep theirs, and so does text that would be read as
// something else.
func plain(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode || len(n.Content) > 0 {
		n.Style = 0
	}
	for _, child := range n.Content {
		plain(child)
	}
}
