// Package fakead is an LDAP server inside the process that behaves like an
// Active Directory domain controller, as far as a program that reads users can
// tell.
//
//	dc, err := fakead.Start(fakead.Config{})
//	defer dc.Close()
//	anna, err := dc.AddUser(fakead.User{Username: "anna", Email: "anna@corp.example"})
//	conn, err := ldap.DialURL(dc.URL(), ldap.DialWithTLSConfig(dc.ClientTLS()))
//
// It speaks real LDAP on real sockets: ldaps and StartTLS with a certificate of
// its own, simple binds with the data codes of a refusal, client certificates
// (SASL EXTERNAL), filters in three-valued logic, paged results with a limit of
// 1000, tombstones, ranges of many-valued attributes, referrals, and writes over
// LDAP. What the code and its
// comments do not claim follows a Samba 4.17 controller where one was asked, and
// [MS-ADTS] otherwise.
//
// An account reads what it would on a domain controller. Deny and Allow put entries
// into access control lists, which are weighed as there; GrantTombstones, Hide and
// Withhold are short for the usual ones. Members of Domain Admins may do anything.
//
// AddController gives the domain another controller, which has USNs and an
// invocationId of its own and learns of the others only by Pull. Stop, Snapshot,
// RollBack and RestoreBackup are what happens to controllers.
//
// Order makes the server misbehave: cut, stall, lie or refuse, at a chosen
// operation or page. Requests and BindAttempts tell what a client did.
//
// Local connects without a network, for tests that run very many times; a Portless server
// has no other way in.
//
// It is not a mock: a client is not compared with expected calls. Nor is it a
// directory for production: no persistence, Kerberos, NTLM, DirSync or schema changes,
// and passwords are kept in the clear. It listens on 127.0.0.1 only.
package fakead
