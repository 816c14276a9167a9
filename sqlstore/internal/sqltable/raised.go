package sqltable

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// A trigger, or a function that a constraint calls, raises errors in words of its own. They
// may name anybody: the one who holds the place, or the one who asked for it. No list of
// values takes that out, so none of these words is passed on.

// raised takes the place of such words.
func raised(code string) string {
	return "a trigger or function raised it, in words that may name somebody and are left out (" + code + ")"
}

// postgreSQLRaised goes by the code, for which RAISE has one of its own by default, and by
// where in the server it was raised, which both usual drivers tell: in a procedural language.
func postgreSQLRaised(err any, state string) bool {
	if len(state) == 5 && !slices.Contains(postgreSQLClasses, state[:2]) {
		return true
	}
	file := textOf(err, "File")
	return strings.HasPrefix(file, "pl") && !strings.HasPrefix(file, "plan") // those are the planner's
}

// postgreSQLClasses are the classes of what the server itself raises: appendix A of its
// manual, but P0, which is PL/pgSQL's.
var postgreSQLClasses = strings.Fields(`00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F
	34 38 39 3B 3D 3F 40 42 44 53 54 55 57 58 72 F0 HV XX`)

// mySQLRaised goes by the numbers that SIGNAL gives by default, by the class that is there
// for it, and by numbers that are no server's.
func mySQLRaised(number int, text string) bool {
	return number >= 1642 && number <= 1644 || number >= 10000 || strings.HasPrefix(submatch(mySQLState, text), "45")
}

var mySQLState = regexp.MustCompile(`\bError \d+ \((\w{5})\)`)

// sqliteTrigger is the code of RAISE(ABORT), RAISE(FAIL) and RAISE(ROLLBACK).
const sqliteTrigger = 19 | 7<<8

// textOf is the text in such a field of the driver's error; "" where it has none.
func textOf(err any, field string) string {
	if v := fieldOf(err, field); v.IsValid() && v.Kind() == reflect.String {
		return v.String()
	}
	return ""
}

// numberOf is the number in such a field, or of such a method, of an error of the chain; 0
// where there is none.
func numberOf(err error, name string) int {
	for ; err != nil; err = errors.Unwrap(err) {
		v := fieldOf(err, name)
		if method := reflect.ValueOf(err).MethodByName(name); method.IsValid() && method.Type().NumIn() == 0 && method.Type().NumOut() == 1 {
			v = method.Call(nil)[0]
		}
		switch {
		case v.IsValid() && v.CanInt():
			return int(v.Int())
		case v.IsValid() && v.CanUint():
			return int(v.Uint())
		}
	}
	return 0
}

func fieldOf(err any, name string) (field reflect.Value) {
	v := reflect.Indirect(reflect.ValueOf(err))
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return field
	}
	if at, ok := v.Type().FieldByName(name); ok {
		field, _ = v.FieldByIndexErr(at.Index)
	}
	return field
}
