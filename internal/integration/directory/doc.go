// Package directory holds one suite of tests for the whole path from a directory
// to a host's users. It runs against a real Samba domain controller and against
// the in-process fake, and writes to both by the same LDAP calls: what the suite
// sees in one it must see in the other, which shows that the fake may stand in
// for a controller elsewhere.
package directory
