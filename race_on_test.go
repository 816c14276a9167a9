//go:build race

package adsync_test

// matrixShare spares the race detector, which is several times slower, most of
// the matrix: its cases differ in what comes over the wire, not in who runs.
const matrixShare = 5
