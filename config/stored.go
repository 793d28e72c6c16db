package config

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gatehouse/gatehouse/gateway"
)

// LoadFiles is Load for files that were loaded before (gateway.Documents.Files), by their paths: a configuration of the
// history becomes what it was. Secrets in files are in no history; they are read from the directory as it is now ("": there is
// none).
func LoadFiles(files map[string][]byte, dir string, opts Options) (*gateway.Documents, gateway.Faults) {
	stored, err := FS(files)
	if err != nil {
		return &gateway.Documents{}, gateway.Faults{{Code: gateway.CodeFile, Message: err.Error()}}
	}
	if dir == "" {
		return LoadFS(stored, opts)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return LoadFS(stored, opts) // A secret that is missing is reported where it is named.
	}
	defer root.Close()
	return LoadFS(&layers{FS: stored, below: root.FS()}, opts)
}

// layers is a file system whose files hide those of the one below. Only its own are listed.
type layers struct {
	fs.FS
	below fs.FS
}

// Open opens a file.
func (l *layers) Open(name string) (fs.File, error) {
	file, err := l.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) && l.below != nil {
		return l.below.Open(name)
	}
	return file, err
}

// noFiles is a file system without any file.
type noFiles struct{}

// Open finds nothing.
func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// FS returns files as a file system. An archive that is not compressed is one.
func FS(files map[string][]byte) (fs.FS, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for file, text := range files {
		f, err := w.CreateHeader(&zip.FileHeader{Name: file, Method: zip.Store})
		if err != nil {
			return nil, fmt.Errorf("keep %s in memory: %w", file, err)
		}
		if _, err := f.Write(text); err != nil {
			return nil, fmt.Errorf("keep %s in memory: %w", file, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("keep files in memory: %w", err)
	}
	return zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
}
