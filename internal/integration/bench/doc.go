// Command bench measures adsync against the servers that it depends on, and
// prints one table.
//
// It builds its own servers: OpenLDAP's slapd with people who have the attributes
// of Active Directory, loaded by slapadd, and PostgreSQL and MariaDB, each of which
// runs only while it is measured; SQLite needs none. A database that is not
// installed is skipped, unless CI=true is in the environment. Each measurement is a
// process of its own; its wall time, CPU time and peak memory are those of the
// system, without what the servers take. Right before each one, ldapsearch reads
// the same people page by page and throws them away. The ratios are those of such
// pairs, and the table has medians.
//
//	go run ./internal/integration/bench -people 10000,100000 -runs 5
//
// slapd has no tombstones. Whoever is gone there is unproven, and the measured
// syncs remove the unproven; a domain controller is asked for the tombstones of
// those few as well. Nor does it number changes, so plans from a mark are measured
// against the domain controller of the project's own tests, in a process of its own.
package main
