package config

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"

	"github.com/gatehouse/gatehouse/gateway"
)

// LoadFiles is Load for files that were loaded before (gateway.Documents.Files), by their paths: a configuration of the
// history becomes what it was.
func LoadFiles(files map[string][]byte, opts Options) (*gateway.Documents, gateway.Faults) {
	fsys, err := inMemory(files)
	if err != nil {
		return &gateway.Documents{}, gateway.Faults{{Code: gateway.CodeFile, Message: err.Error()}}
	}
	return LoadFS(fsys, opts)
}

// inMemory returns files as a file system. An archive that is not compressed is one.
func inMemory(files map[string][]byte) (fs.FS, error) {
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
