//go:build race

package sqlstore

// Every process takes long to start and to work under the race detector.
const defaultCrashes = 10
