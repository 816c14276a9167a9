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
// (SASL EXTERNAL), filters in
// three-valued logic, paged results with a limit of 1000, tombstones, ranges of
// many-valued attributes, referrals, and writes over LDAP. What the code and its
// comments do not claim follows a Samba 4.17 controller where one was asked, and
// [MS-ADTS] otherwise.
//
// Rights are three switches for each account rather than access control lists:
// GrantTombstones, Hide and Withhold. An account without them reads everything
// but tombstones and writes nothing; Administrator may do all.
//
// Order makes the server misbehave: cut, stall, lie or refuse, at a chosen
// operation or page. Requests and BindAttempts tell what a client did.
//
// It is not a mock: a client is not compared with expected calls. And it is no
// directory for use: no persistence, replication, Kerberos, NTLM, DirSync,
// schema changes or access control lists, and passwords are kept in the clear.
// It listens on 127.0.0.1 only.
package fakead
