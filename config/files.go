package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of what is read.
const (
	maxFiles     = 10_000
	maxFileBytes = 16 << 20
	maxFolders   = 32 // One inside the other.
)

// walk returns the YAML files below the directory, in order. Hidden files and folders are skipped, links are followed as
// far as they stay inside.
func (l *loader) walk() []string {
	var files []string
	l.folder(".", nil, &files)
	if len(files) > maxFiles {
		l.report(gateway.Fault{
			Code: gateway.CodeTooLarge, Place: gateway.Place{File: files[maxFiles]},
			Message: fmt.Sprintf("more than %d YAML files: move what is no configuration elsewhere", maxFiles),
		})
		files = files[:maxFiles]
	}
	return files
}

// folder adds the files of a folder and of those below it. around are the folders in which it stands, so that a link to one
// of them ends there.
func (l *loader) folder(dir string, around []fs.FileInfo, files *[]string) {
	info, err := fs.Stat(l.fsys, dir)
	if err != nil || len(around) >= maxFolders || slices.ContainsFunc(around, func(a fs.FileInfo) bool { return os.SameFile(a, info) }) {
		return
	}
	entries, err := fs.ReadDir(l.fsys, dir)
	if err != nil {
		l.report(gateway.Fault{
			Code: gateway.CodeFile, Place: gateway.Place{File: dir},
			Message: "the folder cannot be read: " + reason(err),
		})
		return
	}
	around = append(slices.Clone(around), info)
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || len(*files) > maxFiles {
			continue
		}
		isFolder := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := fs.Stat(l.fsys, file)
			isFolder = err == nil && target.IsDir()
		}
		switch {
		case isFolder:
			l.folder(file, around, files)
		case isYAML(file):
			*files = append(*files, file)
		}
	}
}

func isYAML(file string) bool {
	return strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml")
}

// read reads one file whole.
func (l *loader) read(file string) ([]byte, *refusal) { return readFile(l.fsys, file) }

func readFile(fsys fs.FS, file string) ([]byte, *refusal) {
	info, err := fs.Stat(fsys, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &refusal{code: gateway.CodeFile, text: fmt.Sprintf("there is no file %s: correct the path, or add the file", file)}
	case err != nil:
		return nil, &refusal{code: gateway.CodeFile, text: fmt.Sprintf("the file %s cannot be read: %s", file, reason(err))}
	case !info.Mode().IsRegular(): // A pipe would wait for ever.
		return nil, &refusal{code: gateway.CodeFile, text: file + " is no regular file: write the path of one"}
	}
	f, err := fsys.Open(file)
	if err != nil {
		return nil, &refusal{code: gateway.CodeFile, text: fmt.Sprintf("the file %s cannot be read: %s", file, reason(err))}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, &refusal{code: gateway.CodeFile, text: fmt.Sprintf("the file %s cannot be read: %s", file, reason(err))}
	}
	if len(text) > maxFileBytes {
		return nil, &refusal{code: gateway.CodeTooLarge, text: fmt.Sprintf("the file %s is larger than 16 MiB: split it", file)}
	}
	return text, nil
}

// reason is what an error says beside the path, which the fault names already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// resolve returns the path of a file that another names.
func resolve(from, named string) (file string, err *refusal) {
	file = path.Join(path.Dir(from), named)
	if !fs.ValidPath(file) || file == "." || strings.HasPrefix(file, sourcesFolder) || file == sourceFile {
		return "", &refusal{code: gateway.CodeFile, text: fmt.Sprintf("%s lies outside the directory of the configuration: keep it inside", named)}
	}
	return file, nil
}

// include reads a file that a document names, as a part of the configuration.
func (l *loader) include(o *object, field, named string) (text []byte, file string, ok bool) {
	file, err := resolve(o.file, named)
	if err == nil {
		text, err = l.read(file)
	}
	if err != nil {
		o.fault(err.code, field, "%s", err.text)
		return nil, "", false
	}
	l.docs.Files[file] = text
	l.note(o, file, text)
	return text, file, true
}

// secret resolves a secret. It is no part of the configuration's content, and nothing that is said here quotes it. The
// value is nil where `env:` is not looked at.
func (l *loader) secret(o *object, field, named string) (value []byte, ok bool) {
	l.passing[o.file] = true
	if l.closed {
		o.fault(gateway.CodeSecret, field, "secrets are the platform's: have it apply the document")
		return nil, false
	}
	source, rest, _ := strings.Cut(named, ":")
	if source == "env" {
		if l.opts.LookupEnv == nil {
			return nil, true
		}
		text, found := l.opts.LookupEnv(rest)
		if !found {
			o.fault(gateway.CodeSecret, field, "there is no environment variable %s: set it where the daemon runs", rest)
		}
		return []byte(text), found
	}
	file, err := resolve(o.file, rest)
	if err == nil {
		value, err = readFile(l.host(), file)
	}
	if err != nil {
		o.fault(gateway.CodeSecret, field, "%s", err.text)
		return nil, false
	}
	return value, true
}
