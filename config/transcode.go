package config

import "github.com/gatehouse/gatehouse/gateway"

// transcodeFields say how requests of JSON become calls of gRPC.
type transcodeFields struct {
	orNone
	Descriptors filePath   `yaml:"descriptors" doc:"A file with a FileDescriptorSet and all imports, as protoc --include_imports --descriptor_set_out writes it."`
	Protos      []filePath `yaml:"protos" order:"none" single:"true" jsonschema:"minItems=1" doc:"The .proto files in its place. Their imports are found beside them, below the folder of the first, or among those of google/protobuf and google/api."`
	Services    []string   `yaml:"services" order:"none" single:"true" jsonschema:"minItems=1" doc:"Full names of the services that are meant. All where not said."`
}

func (f *transcodeFields) transcoding(o *object, at string) *gateway.Transcoding {
	_ = o
	_ = at
	return nil
}
