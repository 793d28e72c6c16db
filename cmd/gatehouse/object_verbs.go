package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// objectKind is what the verbs about the objects of one kind have in common.
type objectKind struct {
	env     surroundings
	kind    gateway.Kind
	verb    string // Such as "route".
	example string // Name of an object, for the help.
	set     string // A change of it.
	header  string // Of the table of list.
	row     func(d *document) string
}

// newList returns the verb that tells which objects there are.
func (k objectKind) newList() *cobra.Command {
	var d daemon
	c := &cobra.Command{
		Use:     "list",
		Short:   fmt.Sprintf("Tell which %ss there are", k.kind),
		Long:    fmt.Sprintf("Tells which %ss are live, and which source each belongs to. -o json has the whole documents.", k.kind),
		Example: fmt.Sprintf("  gatehouse %s list\n  gatehouse %s list -o json", k.verb, k.verb),
		Args:    noWords,
	}
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := d.dial(k.env)
		if err != nil {
			return err
		}
		all, err := liveDocuments(c.Context(), client, k.kind)
		if err != nil {
			return err
		}
		data := make([]map[string]any, len(all))
		for i := range all {
			data[i] = all[i].fields
		}
		if len(all) == 0 && format.value == "table" {
			fmt.Fprintf(k.env.stderr, "there are no %ss\n", k.kind)
		}
		return format.write(k.env.stdout, data, func(w io.Writer) error {
			if len(all) > 0 {
				fmt.Fprintln(w, k.header+"\tSOURCE")
			}
			for i := range all {
				fmt.Fprintf(w, "%s\t%s\n", k.row(&all[i]), dash(all[i].source))
			}
			return nil
		})
	}
	return c
}

// newGet returns the verb that prints one object.
func (k objectKind) newGet() *cobra.Command {
	var d daemon
	var written bool
	c := &cobra.Command{
		Use:   "get NAME",
		Short: fmt.Sprintf("Print the document of one %s", k.kind),
		Long: fmt.Sprintf(`Prints the document of one %s as it is live, in its canonical form, in which shorthands are
written out; with --as-written as it was handed in, comments included.`, k.kind),
		Example:           fmt.Sprintf("  gatehouse %s get %s\n  gatehouse %s get %s --as-written", k.verb, k.example, k.verb, k.example),
		Args:              k.oneObject,
		ValidArgsFunction: k.complete(1),
	}
	format := newChoice("yaml", "yaml", "json")
	format.add(c, "output", "o", "form of the data")
	c.Flags().BoolVar(&written, "as-written", false, "as it was handed in")
	d.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := d.dial(k.env)
		if err != nil {
			return err
		}
		if written {
			found, err := k.find(c.Context(), client, args[0], liveObjects)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(k.env.stdout, "%s\n", strings.TrimSpace(strings.TrimPrefix(found.text, "---")))
			return err
		}
		found, err := k.find(c.Context(), client, args[0], liveDocuments)
		if err != nil {
			return err
		}
		if format.value == "json" {
			return format.write(k.env.stdout, found.fields, nil)
		}
		return printNode(k.env.stdout, found.node)
	}
	return c
}

// newSet returns the verb that changes fields of an object.
func (k objectKind) newSet() *cobra.Command {
	o := editOptions{changeOptions: changeOptions{env: k.env}}
	c := &cobra.Command{
		Use:   "set NAME FIELD=VALUE...",
		Short: fmt.Sprintf("Change fields of one %s", k.kind),
		Long: fmt.Sprintf(`Writes fields into the document of one %s; comments and all other fields stay. A field is
named by its path, a value is written as in a document, and FIELD= removes the field. What
changes is printed, and becomes an entry of the history.`, k.kind),
		Example: fmt.Sprintf("  gatehouse %s set %s %s\n  gatehouse %s set %s %s --save documents", k.verb, k.example, k.set, k.verb, k.example, k.set),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("name one %s and what to change, such as gatehouse %s set %s %s", k.kind, k.verb, k.example, k.set)
			}
			_, err := setWords(args[1:])
			return err
		},
		ValidArgsFunction: k.complete(1),
	}
	o.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		fields, err := setWords(args[1:])
		if err != nil {
			return usageError{err}
		}
		client, err := o.daemon.dial(o.env)
		if err != nil {
			return err
		}
		found, err := k.find(c.Context(), client, args[0], liveObjects)
		if err != nil {
			return err
		}
		return o.run(c.Context(), client, admin.Edit{Object: found.ref, Set: fields})
	}
	return c
}

// newRemove returns the verb that removes an object.
func (k objectKind) newRemove() *cobra.Command {
	o := editOptions{changeOptions: changeOptions{env: k.env}}
	c := &cobra.Command{
		Use:               "remove NAME",
		Short:             fmt.Sprintf("Remove one %s", k.kind),
		Long:              fmt.Sprintf("Removes one %s. What other documents still refer to stays, and it is told which do.", k.kind),
		Example:           fmt.Sprintf("  gatehouse %s remove %s --dry-run", k.verb, k.example),
		Args:              k.oneObject,
		ValidArgsFunction: k.complete(1),
	}
	o.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := o.daemon.dial(o.env)
		if err != nil {
			return err
		}
		found, err := k.find(c.Context(), client, args[0], liveObjects)
		if err != nil {
			return err
		}
		return o.run(c.Context(), client, admin.Edit{Object: found.ref, Remove: true})
	}
	return c
}

// lookup is a way to the objects of one kind: liveObjects or liveDocuments.
type lookup func(context.Context, *admin.Client, gateway.Kind) ([]document, error)

// find returns the object that a word names.
func (k objectKind) find(ctx context.Context, client *admin.Client, word string, in lookup) (*document, error) {
	all, err := in(ctx, client, k.kind)
	if err != nil {
		return nil, err
	}
	found, err := findDocument(all, k.kind, word)
	if err != nil {
		return nil, fmt.Errorf("%w: \"gatehouse %s list\" tells which there are", err, k.verb)
	}
	return found, nil
}

// complete completes names of objects.
func (k objectKind) complete(most int) completion {
	return completing(k.env, most, func(ctx context.Context, client *admin.Client) ([]string, error) {
		all, err := liveObjects(ctx, client, k.kind)
		words := make([]string, len(all))
		for i := range all {
			words[i] = objectName(all[i].ref)
		}
		return words, err
	})
}

// oneObject is the argument check of verbs about one object.
func (k objectKind) oneObject(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one " + string(k.kind) + ": \"gatehouse " + k.verb + " list\" tells which there are")
	}
	return nil
}
