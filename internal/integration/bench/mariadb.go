package main

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

func mariaDB() database {
	return database{
		name: "MariaDB", dialect: sqlstore.MySQL, driver: "mysql", ids: "text",
		users: `CREATE TABLE users (id BIGINT AUTO_INCREMENT PRIMARY KEY, ad_guid VARCHAR(36) UNIQUE, login VARCHAR(191) NOT NULL UNIQUE,
			first_name VARCHAR(191) NOT NULL, last_name VARCHAR(191) NOT NULL, email VARCHAR(191) UNIQUE, phone VARCHAR(191) NOT NULL, status VARCHAR(20) NOT NULL)`,
		analyze: "ANALYZE TABLE users",
		needs:   []string{"mariadb-install-db", "my_print_defaults", "mariadbd"}, // the first runs the second
		version: []string{"mariadbd", "--no-defaults", "--version"},
		start:   startMariaDB,
		insert:  insertLists,
		write:   writeLists,
	}
}

// mariadb is a MariaDB in a directory of its own, reached by a socket there.
type mariadb struct {
	dir   string
	admin *sql.DB
}

func startMariaDB(ctx context.Context, dir string) (server, func(), error) {
	account, err := user.Current()
	if err != nil {
		return nil, nil, err
	}
	data := "--datadir=" + filepath.Join(dir, "data")
	as := "--user=" + account.Username // MariaDB runs as root only if it is told to
	if err := run(ctx, nil, dir, "mariadb-install-db", "--no-defaults", data, as, "--auth-root-authentication-method=normal", "--skip-test-db"); err != nil {
		return nil, nil, err
	}
	m := &mariadb{dir: dir}
	if m.admin, err = sql.Open("mysql", m.dsn("mysql")); err != nil {
		return nil, nil, err
	}
	m.admin.SetMaxOpenConns(1) // some of its statements belong together
	stop, err := launchDatabase(ctx, nil, dir, m.admin, "mariadbd", "--no-defaults", data, as, "--tmpdir="+dir,
		"--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid"), "--skip-networking", "--innodb-buffer-pool-size=256M")
	return m, stop, err
}

func (m *mariadb) dsn(name string) string { return fmt.Sprintf("root@unix(%s/s)/%s", m.dir, name) }

func (m *mariadb) create(ctx context.Context, name, from string) error {
	if err := execAll(ctx, m.admin, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"); err != nil || from == "" {
		return err
	}
	tables := []string{"users"}
	if from == stateRoles.table() {
		tables = append(tables, "members")
	}
	for _, table := range tables {
		to, from := name+"."+table, from+"."+table
		err := execAll(ctx, m.admin,
			"CREATE TABLE "+to+" LIKE "+from,
			"SET unique_checks = 0, foreign_key_checks = 0", // then the indexes are sorted first and built at once
			"INSERT INTO "+to+" SELECT * FROM "+from,
			"ANALYZE TABLE "+to,
			"FLUSH TABLES "+to+" FOR EXPORT", // writes what is in memory only, which would go on while a task is measured
			"UNLOCK TABLES")
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *mariadb) drop(ctx context.Context, name string) error {
	return execAll(ctx, m.admin, "DROP DATABASE "+name)
}

// most is how many rows one statement writes. More were not faster.
const most = 600

// insertLists is a statement for so many rows.
func insertLists(ctx context.Context, db *sql.DB, users iter.Seq[adsync.User]) error {
	return inTx(ctx, db, func(tx *sql.Tx) error {
		full, err := tx.PrepareContext(ctx, insertRows(most))
		if err != nil {
			return err
		}
		defer full.Close()
		var args []any
		for u := range users {
			args = append(args, rowOf(u)...)
			if len(args) == most*len(userColumns) {
				if _, err := full.ExecContext(ctx, args...); err != nil {
					return err
				}
				args = args[:0]
			}
		}
		if len(args) > 0 {
			_, err = tx.ExecContext(ctx, insertRows(len(args)/len(userColumns)), args...)
		}
		return err
	})
}

func insertRows(n int) string {
	return "INSERT INTO users (" + strings.Join(userColumns, ", ") + ") VALUES (?, ?, ?, ?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?, ?, ?, ?)", n-1)
}

// writeLists is a statement with a list for so many rows.
func writeLists(ctx context.Context, tx *sql.Tx, changed, gone []int64) (written int64, err error) {
	for _, kind := range []struct {
		text string
		ids  []int64
	}{{"UPDATE users SET phone = 'new' WHERE id IN (", changed}, {"DELETE FROM users WHERE id IN (", gone}} {
		for ids := range slices.Chunk(kind.ids, most) {
			list := strconv.AppendInt(nil, ids[0], 10)
			for _, id := range ids[1:] {
				list = strconv.AppendInt(append(list, ','), id, 10)
			}
			n, err := wrote(ctx, tx, kind.text+string(list)+")")
			if err != nil {
				return 0, err
			}
			written += n
		}
	}
	return written, nil
}
