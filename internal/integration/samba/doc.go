// Package samba runs a real Samba Active Directory domain controller for tests.
//
// It needs Linux, root and Debian's samba, ldb-tools and iproute2 packages. Where
// one is missing the test is skipped; with CI=true in the environment it fails
// instead, so that a machine set up wrongly is not taken for a passing one.
package samba
