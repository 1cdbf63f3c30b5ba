package api

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/gin-gonic/gin"
)

// bind reads a JSON body into a struct of adminapi, strictly (see readJSON), and
// says which of its fields were given: an empty string that is given is not the
// same as none.
func bind(c *gin.Context, into any) (given map[string]bool, err error) {
	v := reflect.ValueOf(into).Elem()
	fields := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i).Addr().Interface()
	}
	return readJSON(c.Request, fields)
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
