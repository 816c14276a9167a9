// Package examples holds programs that a host developer reads and runs.
package examples
