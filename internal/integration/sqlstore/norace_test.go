//go:build !race

package sqlstore

const defaultCrashes = 40
