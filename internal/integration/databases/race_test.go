//go:build race

package databases

// Every process takes long to start and to work under the race detector.
const defaultCrashes = 10
