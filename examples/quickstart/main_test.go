package main

import (
	_ "github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"testing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
