package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommandsInPagesParse checks every command line of gatehouse that a page quotes, in a block or inline: its verb exists, and
// so does each of its flags.
func TestCommandsInPagesParse(t *testing.T) {
	t.Parallel()
	root := newRoot(surroundings{lookup: func(string) (string, bool) { return "", false }})
	root.InitDefaultHelpCmd()
	root.PersistentFlags().BoolP("quiet", "q", false, "")
	quoted := 0
	top := os.DirFS("../..")
	err := fs.WalkDir(top, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin" || entry.Name() == "dist"):
			return fs.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := fs.ReadFile(top, path)
		for _, line := range quotedCommands(string(text)) {
			quoted++
			if wrong := wrongCommand(root, line); wrong != "" {
				t.Errorf("%s: %s: %s", path, line, wrong)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if quoted < 100 {
		t.Errorf("found %d command lines only", quoted)
	}
	for _, wrong := range []string{"gatehouse pla documents", "gatehouse plan documents --prun", "gatehouse store bakup x"} {
		if wrongCommand(root, wrong) == "" {
			t.Errorf("%q passes", wrong)
		}
	}
}

// quotedCommands returns what follows the word gatehouse in blocks of shell and in inline code.
func quotedCommands(page string) []string {
	inline := regexp.MustCompile("`(gatehouse [^`]+)`")
	begins := regexp.MustCompile(`(?:^|[\s;&|({])(?:bin/)?(gatehouse [^|;&>)]+)`)
	var found []string
	block := ""
	for line := range strings.Lines(strings.ReplaceAll(page, "\\\n", " ")) {
		line = strings.TrimRight(line, "\n")
		if fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
			if block != "" {
				block = ""
			} else if block = fence; block == "" {
				block = "text"
			}
			continue
		}
		command, answered := strings.CutPrefix(line, "$ ")
		switch {
		case block == "sh" || (block == "console" && answered):
			before, _, _ := strings.Cut(command, " # ")
			for _, match := range begins.FindAllStringSubmatch(before, -1) {
				found = append(found, match[1])
			}
		case block == "":
			for _, match := range inline.FindAllStringSubmatch(line, -1) {
				found = append(found, match[1])
			}
		}
	}
	return found
}

// wrongCommand returns what is wrong with a command line, "" where nothing is.
func wrongCommand(root *cobra.Command, line string) string {
	words := strings.Fields(strings.NewReplacer("[", "", "]", "", `"`, "", "'", "").Replace(line))[1:]
	for i := range words {
		words[i], _, _ = strings.Cut(words[i], "|") // The first of several to choose from.
	}
	if len(words) == 0 || words[0] == strings.ToUpper(words[0]) || strings.HasPrefix(words[0], "-") {
		return "" // A placeholder, as in gatehouse VERB --help.
	}
	c, rest, err := root.Find(words)
	switch {
	case err != nil:
		return err.Error()
	case c == root:
		return "there is no such verb"
	case c.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"):
		return "there is no verb " + rest[0] + " of " + c.Name()
	}
	for _, word := range rest {
		long, isLong := strings.CutPrefix(word, "--")
		name, _, _ := strings.Cut(long, "=")
		switch {
		case word == "--" || name == "help" || !strings.HasPrefix(word, "-"):
		case isLong && c.Flag(name) == nil && c.InheritedFlags().Lookup(name) == nil:
			return "there is no flag " + word
		case !isLong && len(word) == 2 && word != "-h" && c.Flags().ShorthandLookup(word[1:]) == nil && c.InheritedFlags().ShorthandLookup(word[1:]) == nil:
			return "there is no flag " + word
		}
	}
	return ""
}
