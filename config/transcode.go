package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// transcodeFields say how requests of JSON become calls of gRPC.
type transcodeFields struct {
	orNone
	Descriptors filePath   `yaml:"descriptors" doc:"A file with a FileDescriptorSet and all imports, as protoc --include_imports --descriptor_set_out writes it."`
	Protos      []filePath `yaml:"protos" single:"true" jsonschema:"minItems=1" doc:"The .proto files in its place. Their imports are found from the folder of the first; those of google/protobuf and google/api are there already."`
	Services    []string   `yaml:"services" order:"none" single:"true" jsonschema:"minItems=1" doc:"Full names of the services that are meant. All that the files define where not said."`
}

// transcoding builds it. The descriptors are compiled here, so that a mistake in them shows before any Envoy gets them.
func (f *transcodeFields) transcoding(o *object, at string) *gateway.Transcoding {
	switch {
	case f == nil:
		return nil
	case f.none:
		return &gateway.Transcoding{}
	case (f.Descriptors == "") == (len(f.Protos) == 0):
		if !o.blamed(at) {
			o.fault(gateway.CodeTranscode, at, "the services must be described in one way: write descriptors or protos")
		}
		return nil
	}
	set, defined, ok := f.read(o, at)
	if !ok {
		return nil
	}
	services := servicesOf(set, defined)
	for i, name := range f.Services {
		if !slices.Contains(servicesOf(set, nil), name) {
			o.fault(gateway.CodeTranscode, fmt.Sprintf("%s[%d]", join(at, "services"), i), "the files define no service %s: there is %s", name, strings.Join(services, ", "))
		}
	}
	if f.Services != nil {
		services = sortedTexts(f.Services)
	}
	if len(services) == 0 {
		o.fault(gateway.CodeTranscode, at, "the files define no service: name those that do")
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		o.fault(gateway.CodeTranscode, at, "the descriptors cannot be written: %s", err)
	}
	return &gateway.Transcoding{Descriptors: text, Services: services}
}

// read returns the descriptors, and the names of the files that define what is meant; nil for all.
func (f *transcodeFields) read(o *object, at string) (set *descriptorpb.FileDescriptorSet, defined []string, ok bool) {
	if len(f.Protos) > 0 {
		return f.compile(o, join(at, "protos"))
	}
	at = join(at, "descriptors")
	text, _, ok := o.load.include(o, at, string(f.Descriptors))
	if !ok {
		return nil, nil, false
	}
	set = &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(text, set); err != nil {
		o.fault(gateway.CodeTranscode, at, "the file holds no FileDescriptorSet: write it by protoc --include_imports --descriptor_set_out")
		return nil, nil, false
	}
	if _, err := protodesc.NewFiles(set); err != nil {
		o.fault(gateway.CodeTranscode, at, "the descriptors are not whole: %s: write them by protoc --include_imports", err)
		return nil, nil, false
	}
	return set, nil, true
}

// compile compiles the .proto files with their imports.
func (f *transcodeFields) compile(o *object, at string) (set *descriptorpb.FileDescriptorSet, defined []string, ok bool) {
	root := path.Dir(string(f.Protos[0]))
	for i, named := range f.Protos {
		relative, found := strings.CutPrefix(path.Clean(string(named)), path.Clean(root)+"/")
		if root = path.Clean(root); root == "." {
			relative, found = path.Clean(string(named)), true
		}
		if !found {
			o.fault(gateway.CodeTranscode, fmt.Sprintf("%s[%d]", at, i), "the file lies outside the folder of the first, %s: name one that holds all of them first", root)
			return nil, nil, false
		}
		defined = append(defined, relative)
	}
	resolver := protocompile.ResolverFunc(func(name string) (protocompile.SearchResult, error) {
		for _, known := range []protoreflect.FileDescriptor{annotations.File_google_api_annotations_proto, annotations.File_google_api_http_proto} {
			if known.Path() == name {
				return protocompile.SearchResult{Desc: known}, nil
			}
		}
		file := path.Join(root, name)
		if resolved, refused := resolve(o.file, file); refused == nil {
			if text, refused := o.load.read(resolved); refused == nil {
				o.load.docs.Files[resolved] = text
				o.load.note(o, resolved, text)
				return protocompile.SearchResult{Source: io.NopCloser(bytes.NewReader(text))}, nil
			}
		}
		return protocompile.SearchResult{}, fmt.Errorf("there is no file %s: %w", file, fs.ErrNotExist)
	})
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(resolver), MaxParallelism: 1}
	files, err := compiler.Compile(context.Background(), defined...) // Nothing is waited for: files are at hand.
	if err != nil {
		o.fault(gateway.CodeTranscode, at, "%s: correct it", strings.ReplaceAll(err.Error(), "\n", " "))
		return nil, nil, false
	}
	set = &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	for _, file := range files {
		addFile(set, seen, file)
	}
	return set, defined, true
}

// addFile adds a file behind those that it imports.
func addFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// servicesOf returns the full names of the services that some files define, or all.
func servicesOf(set *descriptorpb.FileDescriptorSet, files []string) []string {
	var out []string
	for _, file := range set.File {
		if files != nil && !slices.Contains(files, file.GetName()) {
			continue
		}
		for _, s := range file.Service {
			out = append(out, strings.TrimPrefix(file.GetPackage()+"."+s.GetName(), "."))
		}
	}
	slices.Sort(out)
	return out
}

// sumTranscoding says what is in the files by which requests become calls, by their hash.
func (w *original) sumTranscoding(f *transcodeFields, out *canonical.Value) {
	if f == nil || out == nil || out.Field("transcode") == nil {
		return
	}
	whole := sha256.New()
	for _, file := range sortedKeys(w.object.includes) {
		if strings.HasSuffix(file, ".proto") || f.isDescriptors(w.object.file, file) {
			of := sha256.Sum256(w.object.includes[file])
			whole.Write(of[:])
		}
	}
	sum := " (sha256 " + hex.EncodeToString(whole.Sum(nil)[:8]) + ")"
	if field := out.Field("transcode").Field("descriptors"); field != nil {
		field.Text += sum
	}
	if list := out.Field("transcode").Field("protos"); list != nil {
		for i := range list.Parts {
			list.Parts[i].Text += sum
		}
	}
}

// sumTranscodings does so for an API and its operations.
func (w *original) sumTranscodings(d *apiDocument, out *canonical.Value) {
	w.sumTranscoding(d.Transcode, out)
	operations := out.Field("operations")
	for i := range d.Operations {
		if op := &d.Operations[i]; op.Transcode != nil && operations != nil {
			for j := range operations.Parts {
				if id := operations.Parts[j].Field("id"); id != nil && id.Text == string(op.ID) {
					w.sumTranscoding(op.Transcode, &operations.Parts[j].Value)
				}
			}
		}
	}
}

func (f *transcodeFields) isDescriptors(document, file string) bool {
	resolved, err := resolve(document, string(f.Descriptors))
	return f.Descriptors != "" && err == nil && resolved == file
}
