package api

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/gin-gonic/gin"
)

// bind reads a JSON body into a struct of adminapi, strictly (see readJSON). The error has all faults that can be seen without the meaning of the
// fields; a handler that has more to check reads by readBody, so that its sender learns
// of all at once.
func bind(c *gin.Context, into any) error {
	b, err := readBody(c, into)
	if err != nil {
		return err
	}
	return b.end(nil)
}

// readBody is bind that also says which fields were given (an empty string that is given
// is not the same as none), and without the end: its error says that the body is no JSON object, and
// all that is wrong with fields comes by the end of the body.
func readBody(c *gin.Context, into any) (*body, error) {
	v := reflect.ValueOf(into).Elem()
	fields := make(map[string]any, v.NumField())
	b := &body{given: map[string]bool{}}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i).Addr().Interface()
		if !strings.Contains(options, "omit") {
			b.required = append(b.required, name)
		}
	}
	return b, readJSON(c.Request, fields, b)
}

// wanted says in words what a field of dst's type is.
func wanted(dst any) string {
	t := reflect.TypeOf(dst).Elem()
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Slice:
		return fmt.Sprintf("a list, each item %s", wanted(reflect.New(t.Elem()).Interface()))
	default:
		return "an object"
	}
}
