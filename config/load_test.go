package config_test

import (
	"testing/fstest"
)

// single is a directory of one file.
func single(text string) fstest.MapFS {
	return fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(text)}}
}
