package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse/gatehouse/internal/golden"
)

// TestReference holds docs/cli.md and the pages below docs/cli against the verbs themselves; with -update it writes them.
func TestReference(t *testing.T) {
	t.Parallel()
	root := referenceRoot()
	var index strings.Builder
	index.WriteString("# The verbs\n\nThese pages are written from the program itself; `make golden` writes them anew.\n\n")
	fmt.Fprintf(&index, "%s", paragraphs(root.Long))
	pages := map[string]*strings.Builder{}
	page := func(name, title string) *strings.Builder {
		if pages[name] == nil {
			pages[name] = &strings.Builder{}
			fmt.Fprintf(pages[name], "# %s\n\nWritten from the program itself; [all verbs](../cli.md).\n", title)
		}
		return pages[name]
	}
	for _, group := range root.Groups() {
		title := strings.TrimSuffix(group.Title, ":")
		fmt.Fprintf(&index, "\n## %s\n\n| verb | does |\n|---|---|\n", title)
		for _, c := range root.Commands() {
			switch {
			case c.GroupID != group.ID || c.Hidden:
			case len(c.Commands()) > 1 && c.Name() != "completion":
				describe(page(c.Name(), c.CommandPath()), &index, "cli/"+c.Name()+".md", c)
			default:
				describe(page(group.ID, title), &index, "cli/"+group.ID+".md", c)
			}
		}
	}
	fmt.Fprintf(&index, "\n## Where the daemon is asked\n\nEvery verb that asks a daemon takes these.\n\n```text\n%s\n```\n", flagText(daemonFlags()))
	for name, text := range pages {
		golden.Equal(t, filepath.Join("..", "..", "docs", "cli", name+".md"), []byte(text.String()))
	}
	golden.Equal(t, filepath.Join("..", "..", "docs", "cli.md"), []byte(index.String()))
}

// TestEveryVerbIsExplained checks that no verb does without a sentence and an example.
func TestEveryVerbIsExplained(t *testing.T) {
	t.Parallel()
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		switch {
		case c.Name() == "completion" || c.Name() == "help": // Cobra's own, and the one that explains the others.
			return
		case c.Short == "" || strings.HasSuffix(c.Short, "."):
			t.Errorf("%s: the line about it is %q", c.CommandPath(), c.Short)
		}
		for _, child := range c.Commands() {
			check(child)
		}
	}
	check(referenceRoot())
}

// referenceRoot returns the verbs as they are on any machine.
func referenceRoot() *cobra.Command {
	return newRoot(surroundings{
		stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, failures: io.Discard,
		terminal: func(any) bool { return false },
		lookup:   func(string) (string, bool) { return "", false },
		now:      time.Now, program: "gatehouse", environ: func() []string { return nil },
	})
}

// describe writes about a verb and those below it.
func describe(page, index *strings.Builder, file string, c *cobra.Command) {
	anchor := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(index, "| [`%s`](%s#%s) | %s |\n", strings.TrimPrefix(c.CommandPath(), "gatehouse "), file, anchor, c.Short)
	fmt.Fprintf(page, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
	if c.Name() == "completion" {
		page.WriteString("\n`gatehouse completion bash|zsh|fish --help` says how to install it.\n")
		return
	}
	if c.Long != "" {
		fmt.Fprintf(page, "\n%s", paragraphs(c.Long))
	}
	if c.Runnable() && len(c.Commands()) == 0 || c.Name() == "nodes" {
		fmt.Fprintf(page, "\n```text\n%s\n```\n", c.UseLine())
	}
	if c.Example != "" {
		fmt.Fprintf(page, "\n```sh\n%s\n```\n", undented(c.Example))
	}
	own, shared := pflag.NewFlagSet("", pflag.ContinueOnError), 0
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if known := daemonFlags().Lookup(f.Name); known != nil && known.Usage == f.Usage {
			shared++
			return
		}
		own.AddFlag(f)
	})
	if own.HasAvailableFlags() {
		fmt.Fprintf(page, "\n```text\n%s\n```\n", flagText(own))
	}
	if shared > 1 {
		page.WriteString("\nIt asks a daemon: [which one](../cli.md#where-the-daemon-is-asked).\n")
	}
	for _, child := range c.Commands() {
		if !child.Hidden {
			describe(page, index, file, child)
		}
	}
}

// daemonFlags are those of every verb that asks a daemon.
func daemonFlags() *pflag.FlagSet {
	var d daemon
	c := &cobra.Command{}
	d.add(c)
	return c.Flags()
}

func flagText(flags *pflag.FlagSet) string {
	return strings.TrimRight(flags.FlagUsagesWrapped(110), "\n")
}

// paragraphs writes a help text as Markdown: what is set out in columns stays as it is.
func paragraphs(text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") || strings.Contains(paragraph, "\n  ") {
			paragraph = "```text\n" + paragraph + "\n```"
		} else {
			paragraph = strings.NewReplacer("<", "\\<", "*", "\\*", "_", "\\_", "[", "\\[").Replace(paragraph)
		}
		out = append(out, paragraph)
	}
	return strings.Join(out, "\n\n") + "\n"
}

// undented takes from an example the indent that it has in help.
func undented(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\n"+text, "\n  ", "\n"), "\n")
}
