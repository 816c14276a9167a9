package adsynctest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// panicOf runs a function of the host's, and returns its panic as an error that says
// where it was. A runtime error is included; of any other value, which may hold a person's
// data, only the type is.
func panicOf(run func()) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if fault, ok := v.(runtime.Error); ok {
			err = fmt.Errorf("it panicked at %s: %w", panicPlace(), fault)
			return
		}
		err = fmt.Errorf("it panicked at %s with a %T", panicPlace(), v)
	}()
	run()
	return nil
}

// panicPlace is the line that panicked, when called from the function that recovers.
func panicPlace() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	panicking := false
	for {
		frame, more := frames.Next()
		ofRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !ofRuntime {
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		panicking = panicking || ofRuntime
		if !more {
			return "an unknown place"
		}
	}
}
