package authz

import (
	"encoding/binary"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// frameHead is what stands before each message of gRPC: whether it is compressed, and its length in four bytes.
const frameHead = 5

// Descriptors tell what the messages of gRPC services hold. They are immutable.
type Descriptors struct {
	files *protoregistry.Files
	types *dynamicpb.Types
}

// ReadDescriptors reads a FileDescriptorSet (google/protobuf/descriptor.proto), as protoc writes it. Nothing gives nil. The error
// says what it lacks.
func ReadDescriptors(text []byte) (*Descriptors, error) {
	if len(text) == 0 {
		return nil, nil
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(text, set); err != nil {
		return nil, fmt.Errorf("they are no FileDescriptorSet: %w", err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("they are not whole (write them with --include_imports): %w", err)
	}
	return &Descriptors{files, dynamicpb.NewTypes(files)}, nil
}

// input returns what the method of a path takes, nil where no descriptor tells.
func (d *Descriptors) input(path string) protoreflect.MessageDescriptor {
	service, method, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return nil
	}
	found, err := d.files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil
	}
	s, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil
	}
	m := s.Methods().ByName(protoreflect.Name(method))
	if m == nil {
		return nil
	}
	return m.Input()
}

// readGRPC reads the first message of a gRPC call. One that is compressed, or of a method that no descriptor tells of, stays null.
func (b *body) readGRPC(r *request) {
	raw := r.http().GetRawBody()
	if len(raw) < frameHead || raw[0] != 0 {
		return
	}
	path, _ := r.splitPath()
	kind := b.by.input(path)
	if kind == nil {
		return
	}
	size := binary.BigEndian.Uint32(raw[1:frameHead])
	if uint64(len(raw)-frameHead) < uint64(size) {
		b.truncated = true
		return
	}
	message := dynamicpb.NewMessage(kind)
	if err := (proto.UnmarshalOptions{Resolver: b.by.types}).Unmarshal(raw[frameHead:frameHead+int(size)], message); err != nil {
		r.malformed = "The body is not the message that the method takes."
		return
	}
	spelt, err := protojson.MarshalOptions{Resolver: b.by.types}.Marshal(message)
	if err != nil {
		r.malformed = "The body holds what JSON cannot express."
		return
	}
	term, err := jsonTerm(spelt)
	if err != nil {
		r.malformed = "The body holds what JSON cannot express."
		return
	}
	b.term = term
}
