package descriptors

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of what is read.
const (
	maxFiles     = 10_000
	maxFileBytes = 16 << 20
	maxFolders   = 32 // One inside the other.
)

// File is a file of rules.
type File struct {
	Name string // As it is told in faults.
	Text []byte
}

// Read returns a file, or every file below a directory in the order of their names, as envoyproxy/ratelimit reads them: whatever their
// ending. Not read is what editors and Kubernetes leave there: names that begin with a dot or end in "~".
func Read(path string) ([]File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the limits: %w", err)
	}
	if !info.IsDir() {
		text, err := readFile(path, info)
		if err != nil {
			return nil, err
		}
		return []File{{Name: path, Text: text}}, nil
	}
	return readFolder(nil, path, 0)
}

// readFolder adds the files of a folder to a list. Links are followed.
func readFolder(files []File, dir string, depth int) ([]File, error) {
	if depth > maxFolders {
		return nil, fmt.Errorf("read the limits: %s: more than %d folders one in the other, or a link to one of them", dir, maxFolders)
	}
	entries, err := os.ReadDir(dir) // In order.
	if err != nil {
		return nil, fmt.Errorf("read the limits: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), "~") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read the limits: %w", err)
		}
		if info.IsDir() {
			if files, err = readFolder(files, path, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		if !info.Mode().IsRegular() { // A socket, a pipe that would wait for ever.
			continue
		}
		if len(files) >= maxFiles {
			return nil, fmt.Errorf("read the limits: more than %d files: move what is none elsewhere", maxFiles)
		}
		text, err := readFile(path, info)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: path, Text: text})
	}
	return files, nil
}

func readFile(path string, info fs.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read the limits: %s is no regular file", path)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("read the limits: %s is larger than 16 MiB: split it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the limits: %w", err)
	}
	return text, nil
}
