// Package sqlstore keeps the users of package adsync in the table that a host already
// has, in PostgreSQL, MySQL, MariaDB or SQLite, with the driver that it already uses.
//
//	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Table{
//		Name: "users",
//		Columns: sqlstore.Columns{
//			ID: "id", ObjectID: "ad_guid", Username: "login", Email: "email",
//		},
//	})
//
// The table keeps its layout: [Columns] names its columns, and the host adds one for the
// objectGUID where there is none. Each write compares the row with what the plan saw, in the
// statement itself or while the row is locked, so that nothing is overwritten that has changed
// in the meantime.
// Many changes go in one transaction, in which a row that the database refuses fails
// alone.
package sqlstore

// Which file tells which story, in the order in which a batch of changes meets them:
//
//	table.go     what a host says of its table
//	store.go     the Store: each method hands on to one of the stories below
//	layout.go    the checked Table, which never changes
//	statuses.go  how a column holds a status
//	moments.go   how a column holds when a sync deactivated somebody, and tells whom
//	inspect.go   what the database says of the table, asked once
//	check.go     the same questions, asked for the host's sake
//	convert.go   between the root's types and what a column holds, both ways
//	read.go      rows as users
//	spelling.go  whether objectGUIDs are spelled as this store spells them
//	lock.go      one run at a time
//	ledger.go    what runs did, in a table of its own
//	batch.go     the changes of one transaction, and the choice of how to write them
//	binder.go    users as the arguments of statements
//	rows.go      one row: read, held, updated, removed
//	halves.go    many new users, in two transactions at the same time
//	create.go    new rows: those that are there already, and all INSERTs
//	bulk.go      many changes with one statement that tells which rows it wrote
//	counted.go   many changes with one that tells only how many
//	returned.go  new rows as the statement returned them, if they can still be so
//	verify.go    what was written, read again before it is kept
//	seed.go      an empty table filled for a test
//	fault.go     what an error says, and whether anything was written
//
// The text of statements is made in internal/sqltable, by dialect. Transactions,
// savepoints and second tries are in internal/sqlbatch, which does not know what it runs.
