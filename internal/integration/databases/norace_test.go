//go:build !race

package databases

const defaultCrashes = 40
