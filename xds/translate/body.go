package translate

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	transformv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/transform/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxChangedBody is how long a request's body may be that is changed, in bytes: it is held until it is whole.
const maxChangedBody = 1 << 20

// changingBody returns how the JSON bodies of a route are changed.
func changingBody(c *gateway.BodyChanges, r *gateway.Route) *transformv3.TransformConfig {
	return &transformv3.TransformConfig{
		RequestTransformation: bodyChange(c.Request, r), ResponseTransformation: bodyChange(c.Response, r),
	}
}

func bodyChange(c *gateway.BodyChange, r *gateway.Route) *transformv3.Transformation {
	if c == nil {
		return nil
	}
	action := transformv3.BodyTransformation_MERGE
	if c.Replace {
		action = transformv3.BodyTransformation_REPLACE
	}
	return &transformv3.Transformation{BodyTransformation: &transformv3.BodyTransformation{
		Action: action,
		BodyFormat: &corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_JsonFormat{
			JsonFormat: bodyObject(c.Fields, r),
		}},
	}}
}

func bodyObject(fields []gateway.BodyField, r *gateway.Route) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, f := range fields {
		out.Fields[f.Name] = bodyValue(&f.Value, r)
	}
	return out
}

func bodyValue(v *gateway.BodyValue, r *gateway.Route) *structpb.Value {
	if v.Object != nil {
		return structpb.NewStructValue(bodyObject(v.Object, r))
	}
	if v.Text != nil {
		var out strings.Builder
		for _, p := range v.Text {
			switch p.Body {
			case gateway.OfRequest:
				out.WriteString("%REQUEST_BODY(" + strings.Join(p.Path, ":") + ")%")
			case gateway.OfResponse:
				out.WriteString("%RESPONSE_BODY(" + strings.Join(p.Path, ":") + ")%")
			default:
				out.WriteString(partFormat(p.HeaderPart, r))
			}
		}
		return structpb.NewStringValue(out.String())
	}
	switch x := v.Constant.(type) {
	case bool:
		return structpb.NewBoolValue(x)
	case float64:
		return structpb.NewNumberValue(x)
	case string:
		return structpb.NewStringValue(escaped(x))
	}
	return structpb.NewNullValue()
}
