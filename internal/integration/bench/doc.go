// Command bench measures adsync beside the servers that it depends on, and
// prints one table.
//
// It builds its own servers: OpenLDAP's slapd with people who have the attributes
// of Active Directory, loaded by slapadd, and PostgreSQL; SQLite needs none. Each
// measurement is a process of its own, whose wall time, CPU time and peak memory
// the system counts. Right before each one, ldapsearch reads the same people page
// by page and throws them away. The ratios are those of such pairs, so that they
// hold on a busy machine too, and the table has medians.
//
//	go run ./internal/integration/bench -people 10000,100000 -runs 5
//
// slapd has no tombstones. Whoever is gone there is unproven, and the measured
// syncs remove the unproven; a domain controller is asked for the tombstones of
// those few as well.
package main
