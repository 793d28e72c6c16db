package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/config"
)

// newSchema returns `gatehouse schema`.
func newSchema(env surroundings) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of documents, for editors",
		Long: `Prints the JSON Schema of documents. An editor that knows it completes fields and marks
mistakes while you type; "gatehouse validate" finds what a schema cannot.`,
		Example: `  gatehouse schema > gatehouse.schema.json

  # Then, as the first line of a document, for editors with a YAML language server:
  # yaml-language-server: $schema=./gatehouse.schema.json`,
		Args: noWords,
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = env.stdout.Write(text)
			return err
		},
	}
}
