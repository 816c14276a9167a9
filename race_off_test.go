//go:build !race

package adsync_test

// matrixShare is which share of the matrix runs: one case in so many.
const matrixShare = 1
