package author

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// kinds names the JSON types, by the kinds of the Go values that decode them.
var kinds = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Float64: "a number", reflect.Bool: "a boolean",
	reflect.Slice: "an array", reflect.Map: "an object", reflect.Struct: "an object",
}

// typeFaults returns the values of a manifest that have the wrong JSON type, such as
// "manifest: questions[0].name is a number; it takes a string". It returns nothing for text
// that is not JSON.
func typeFaults(text []byte) (faults []string) {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	var walk func(at string, v any, t reflect.Type)
	walk = func(at string, v any, t reflect.Type) {
		// null stands for the zero value, and no example is refused.
		if v == nil || t.Kind() == reflect.Interface || t == reflect.TypeFor[question.Example]() {
			return
		}
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		given, want := kinds[reflect.TypeOf(v).Kind()], kinds[t.Kind()]
		switch {
		case given != want:
			faults = append(faults, fmt.Sprintf("manifest: %s is %s; it takes %s", cmp.Or(strings.TrimPrefix(at, "."), "it"), given, want))
		case t.Kind() == reflect.Slice:
			for i, element := range v.([]any) {
				walk(fmt.Sprintf("%s[%d]", at, i), element, t.Elem())
			}
		case t.Kind() == reflect.Struct:
			for field := range t.Fields() {
				key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				walk(at+"."+key, v.(map[string]any)[key], field.Type)
			}
		}
	}
	walk("", v, reflect.TypeFor[question.Manifest]())
	return faults
}
