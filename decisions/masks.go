package decisions

import (
	"errors"
	"fmt"
)

// errMasks tells what a mask policy should have answered.
var errMasks = errors.New(`a mask policy answers with a set of paths, or of objects such as {"op": "upsert", "path": "/input/x", "value": "y"}`)

// ReadMasks reads what a mask policy answers (OPA's data.system.log.mask): a list of paths, each of which is taken out, or of objects
// with op (remove or upsert), path and value.
func ReadMasks(answer any) ([]Mask, error) {
	list, ok := answer.([]any)
	if !ok {
		return nil, fmt.Errorf("%w, not with %T", errMasks, answer)
	}
	masks := make([]Mask, 0, len(list))
	for _, one := range list {
		switch one := one.(type) {
		case string:
			masks = append(masks, Mask{Path: one})
		case map[string]any:
			m := Mask{Value: one["value"]}
			m.Path, ok = one["path"].(string)
			switch op := one["op"]; {
			case !ok || op != "remove" && op != "upsert":
				return nil, errMasks
			default:
				m.Upsert = op == "upsert"
			}
			masks = append(masks, m)
		default:
			return nil, errMasks
		}
	}
	return masks, nil
}
