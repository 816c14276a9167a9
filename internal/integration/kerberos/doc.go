// Package kerberos runs the example of a Kerberos bind against a real domain
// controller. It has no code of its own.
package kerberos
