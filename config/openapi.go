package config

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	yaml "github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/index"

	"github.com/gatehouse/gatehouse/gateway"
)

// readModel builds the model of a contract. others are the files to which it refers, the only ones that are looked at:
// neither the network nor the disk is.
func readModel(file string, text []byte, others map[string][]byte) (model *v3.Document, err error) {
	defer func() {
		if r := recover(); r != nil { // The contract is somebody else's text; it must not end the daemon.
			model, err = nil, fmt.Errorf("it cannot be understood (%v)", r)
		}
	}()
	conf := &datamodel.DocumentConfiguration{
		Logger:                     slog.New(slog.DiscardHandler),
		SkipJSONConversion:         true,
		SkipMetadataCollection:     true,
		SkipCircularReferenceCheck: true, // Schemas may be recursive.
		ExcludeExtensionRefs:       true,
	}
	if len(others) > 0 {
		conf.BasePath, conf.SpecFilePath, conf.AllowFileReferences = "/", file, true
		if conf.LocalFS, err = memory(others); err != nil {
			return nil, err
		}
	}
	doc, err := libopenapi.NewDocumentWithConfiguration(text, conf)
	if err != nil {
		return nil, firstMishap(err)
	}
	built, err := doc.BuildV3Model()
	if err != nil {
		return nil, firstMishap(err)
	}
	return &built.Model, nil
}

// memory returns files as a file system.
func memory(files map[string][]byte) (fs.FS, error) {
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

// mishap is what the reader of OpenAPI found wrong first, and where in the contract; line 0 where it does not say.
type mishap struct {
	text         string
	line, column int
}

// Error returns the text.
func (m *mishap) Error() string { return m.text }

// firstMishap takes the library's errors apart.
func firstMishap(err error) *mishap {
	m, node := &mishap{}, (*yaml.Node)(nil)
	if e, ok := errors.AsType[*index.ResolvingError](err); ok && e.ErrorRef != nil {
		err, node = e.ErrorRef, e.Node
	} else if e, ok := errors.AsType[*index.IndexingError](err); ok && e.Err != nil {
		err, node = e.Err, e.Node
	}
	m.text, _, _ = strings.Cut(err.Error(), "\n")
	m.text, _, _ = strings.Cut(m.text, "; set Allow") // A hint for programmers.
	if node != nil && node.Line > 0 {
		m.line, m.column = node.Line, max(1, node.Column)
	}
	return m
}

// placeOf returns where a node of a model stands. file is the contract itself.
func placeOf(file string, in *index.SpecIndex, n *yaml.Node) gateway.Place {
	place := gateway.Place{File: file}
	if in != nil {
		if own := strings.TrimPrefix(in.GetSpecAbsolutePath(), "/"); own != "" && own != "root.yaml" {
			place.File = own
		}
	}
	if n != nil {
		place.Line, place.Column = n.Line, n.Column
	}
	return place
}
