package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-adsync/adsync/sqlstore"
)

// settings are the flags, checked.
type settings struct {
	urls                   list
	domain, base, filter   string
	bindUser, passwordFile string
	caFile                 string
	startTLS               bool

	db, dialect, table, where, objectIDs string
	columns                              sqlstore.Columns
	source                               string

	dryRun, json, check   bool
	firstDay              bool
	adopt                 bool
	adoptBy, keepOnEmpty  list
	mailDomain            string
	find                  string
	imports               bool
	importIDs             list
	importGroup, importOU string
	undo                  string
	explain               string
	only                  list
	whatIf, whatIfBase    string
	approve               string
	maxRemovals           int
	maxRatio              float64
	timeout               time.Duration
}

const passwordVariable, dsnVariable = "ADSYNC_PASSWORD", "ADSYNC_DB"

const usage = `quickstart synchronizes a user table with Active Directory.

  go run ./examples/quickstart                 a demonstration; needs nothing
  go run ./examples/quickstart -dry-run        the same, as far as the plan
  go run ./examples/quickstart -first-day      the first day, with users from before
  ADSYNC_PASSWORD=… go run ./examples/quickstart -dry-run \
      -url ldaps://dc1.corp.example -bind-user 'CORP\svc-adsync' \
      -db app.db -table accounts \
      -columns id=id,object_id=ad_guid,username=login,email=email

The first day with a directory and a table of your own, step by step, is in
docs/FIRST-DAY.md: -check, -adopt, -find, -import-group and so on, -dry-run first.

The password comes from the environment variable ADSYNC_PASSWORD or from
-password-file. The account needs no more than to read people and, so that
deletions can be proven, CN=Deleted Objects.

Exit codes of the built program (go run makes 1 of all but 0):
  0  all is done, or there was nothing to do
  1  an error: nothing was changed, or the run was cut short and says so;
     with -check: something cannot be read
  2  wrong flags
  3  the plan was refused, or with -dry-run would be: it is beyond the limits,
     takes a run back without -approve, or is not the one that -approve names;
     nothing was changed
  4  some changes failed, the others are done
  5  with -dry-run: a real run would change something;
     with -what-if: the two plans differ

Flags:
`

// parse reads the flags. It has reported a wrong flag when it returns an error.
func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	s.defineDirectory(f)
	s.defineDatabase(f)
	s.defineRun(f)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errors.New("quickstart: wrong flags")
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("quickstart: unexpected %q; everything is a flag, see -h", f.Arg(0))
	}
	return s, s.valid()
}

func (s *settings) defineDirectory(f *flag.FlagSet) {
	f.Var(&s.urls, "url", "`URL` of a domain controller, like ldaps://dc1.corp.example; repeat it, or separate several by commas. Without -url and -domain: the demonstration")
	f.StringVar(&s.domain, "domain", "", "DNS `name` of the domain, to find its controllers by SRV record instead")
	f.StringVar(&s.base, "base", "", "`DN` under which people are synchronized; default: the whole domain")
	f.StringVar(&s.filter, "filter", "", "LDAP `filter` that says who is in scope; default: (sAMAccountType=805306368), people")
	f.StringVar(&s.bindUser, "bind-user", "", "service `account`: a DN, user@domain or DOMAIN\\user")
	f.StringVar(&s.passwordFile, "password-file", "", "`file` with the password, instead of "+passwordVariable)
	f.StringVar(&s.caFile, "ca", "", "PEM `file` with the certificate authority to trust instead of the system's")
	f.BoolVar(&s.startTLS, "starttls", false, "upgrade ldap:// connections before the password is sent")
}

func (s *settings) defineDatabase(f *flag.FlagSet) {
	f.StringVar(&s.db, "db", "", "`DSN` of the database, or a SQLite file; or set "+dsnVariable+", as a DSN may hold a password. In the demonstration: a new SQLite file to keep")
	f.StringVar(&s.dialect, "dialect", "sqlite", "sqlite, postgres or mysql")
	f.StringVar(&s.table, "table", "", "`name` of the user table")
	f.StringVar(&s.where, "where", "", "SQL `condition` that says which rows are users")
	f.StringVar(&s.objectIDs, "object-ids", "text", "how objectGUIDs are stored: text, uuid, bytes or ad-bytes")
	f.Func("columns", "`map` of columns, like id=id,object_id=ad_guid,username=login; also first_name, last_name, email, phone, status, protected and source", func(text string) error {
		return parseColumns(text, &s.columns)
	})
	f.StringVar(&s.source, "source", "", "`name` of this directory among several: what the source column holds")
}

func (s *settings) defineRun(f *flag.FlagSet) {
	f.BoolVar(&s.dryRun, "dry-run", false, "only show the plan")
	f.BoolVar(&s.json, "json", false, "print the report, or with -dry-run the plan, as JSON and nothing else on standard output")
	f.BoolVar(&s.check, "check", false, "only say what the service account can read")
	f.StringVar(&s.explain, "explain", "", "only say what a sync would do with the user of this `ID`, and why")
	f.BoolVar(&s.firstDay, "first-day", false, "the demonstration of a first day. With a directory of your own: check it and show what could be linked; nothing is written")
	s.defineFirstDay(f)
	f.Var(&s.only, "only", "synchronize just the users with these `IDs`, separated by commas")
	f.StringVar(&s.whatIf, "what-if", "", "only compare: who would enter, leave, clash or change with this `filter` instead of -filter; nothing is written")
	f.StringVar(&s.whatIfBase, "what-if-base", "", "likewise with this `DN` instead of -base, and with the filter of -what-if if there is one")
	f.StringVar(&s.approve, "approve", "", "`digest` of the plan to apply, whatever the limits say; any other is refused. A dry run prints it")
	f.IntVar(&s.maxRemovals, "max-removals", 0, "most users to remove in one run; 0 is 500, -1 lifts the limit")
	f.Float64Var(&s.maxRatio, "max-ratio", 0, "most users to remove, as a share of all linked ones; 0 is 0.1, -1 lifts the limit")
	f.DurationVar(&s.timeout, "timeout", 10*time.Minute, "most time for the whole run")
}

func (s *settings) defineFirstDay(f *flag.FlagSet) {
	f.BoolVar(&s.adopt, "adopt", false, "only link users from before, who have no objectGUID yet. With -only: just those, even if protected or not active")
	f.Var(&s.adoptBy, "adopt-by", "what must match for -adopt: username, email or both; default: `username,email`")
	f.Var(&s.keepOnEmpty, "keep-on-empty", "`fields` that an empty directory value does not clear, like email,phone")
	f.StringVar(&s.mailDomain, "mail-domain", "", "give people without an address username@`domain`")
	f.StringVar(&s.find, "find", "", "only list the people whose name, username or address begins with this `text`, with their objectGUIDs")
	f.BoolVar(&s.imports, "import", false, "also create users for all new people")
	f.Var(&s.importIDs, "import-ids", "only create users for the accounts with these `objectGUIDs`, separated by commas")
	f.StringVar(&s.importGroup, "import-group", "", "only create users for the members of the group with this `DN`, and of the groups in it")
	f.StringVar(&s.importOU, "import-ou", "", "only create users for people below this `DN`; with -import-group: for those who are both")
	f.StringVar(&s.undo, "undo", "", "take back the run whose report, as -json printed it, is in this `file`")
}

// demonstration reports whether no directory was named.
func (s *settings) demonstration() bool { return len(s.urls) == 0 && s.domain == "" }

func (s *settings) valid() error {
	if err := s.validModes(); err != nil {
		return err
	}
	if s.json && (s.explain != "" || s.firstDay) {
		return errors.New("quickstart: -explain and -first-day are for people; leave -json out")
	}
	if s.timeout <= 0 {
		return errors.New("quickstart: -timeout is how long the run may take, like 10m")
	}
	if s.demonstration() {
		return s.validDemonstration()
	}
	return s.validReal()
}

// validModes lets a run do one thing.
func (s *settings) validModes() error {
	var given []string
	for _, mode := range []struct {
		name string
		on   bool
	}{
		{"-check", s.check}, {"-first-day", s.firstDay}, {"-adopt", s.adopt}, {"-find", s.find != ""},
		{"-import", s.imports}, {"-import-ids, -import-group or -import-ou", s.importsSome()},
		{"-undo", s.undo != ""}, {"-explain", s.explain != ""}, {"-only", s.only != nil && !s.adopt},
		{"-what-if", s.comparesScopes() && !s.imports && (s.only == nil || s.adopt)}, // it compares two syncs
	} {
		if mode.on {
			given = append(given, mode.name)
		}
	}
	if len(given) > 1 {
		return fmt.Errorf("quickstart: %s exclude each other", strings.Join(given, " and "))
	}
	return nil
}

// comparesScopes reports whether another filter or base is only to be looked at.
func (s *settings) comparesScopes() bool { return s.whatIf != "" || s.whatIfBase != "" }

// importsSome reports whether just some people are to be imported.
func (s *settings) importsSome() bool {
	return s.importIDs != nil || s.importGroup != "" || s.importOU != ""
}

func (s *settings) validDemonstration() error {
	for _, f := range []struct{ name, value string }{
		{"base", s.base}, {"filter", s.filter}, {"bind-user", s.bindUser}, {"password-file", s.passwordFile},
		{"ca", s.caFile}, {"table", s.table}, {"where", s.where}, {"source", s.source}, {"approve", s.approve},
		{"adopt-by", s.adoptBy.String()}, {"keep-on-empty", s.keepOnEmpty.String()}, {"mail-domain", s.mailDomain},
		{"find", s.find}, {"import-ids", s.importIDs.String()}, {"import-group", s.importGroup}, {"import-ou", s.importOU},
		{"undo", s.undo},
	} {
		if f.value != "" {
			return fmt.Errorf("quickstart: -%s needs a directory; name it by -url or -domain", f.name)
		}
	}
	if s.adopt {
		return errors.New("quickstart: -adopt needs a directory; name it by -url or -domain, or see -first-day")
	}
	if s.startTLS || s.dialect != "sqlite" || !reflect.DeepEqual(s.columns, sqlstore.Columns{}) {
		return errors.New("quickstart: -starttls, -dialect and -columns need a directory; name it by -url or -domain")
	}
	return nil
}

func (s *settings) validReal() error {
	s.db = cmp.Or(s.db, os.Getenv(dsnVariable))
	switch {
	case len(s.urls) > 0 && s.domain != "":
		return errors.New("quickstart: -url and -domain exclude each other")
	case s.bindUser == "":
		return errors.New("quickstart: -bind-user is missing: the account that reads the directory")
	case s.passwordFile == "" && os.Getenv(passwordVariable) == "":
		return errors.New("quickstart: there is no password; set " + passwordVariable + " or give -password-file")
	case s.check && s.db == "":
		return nil // the directory alone
	case s.db == "":
		return errors.New("quickstart: -db is missing: the database with the user table")
	case !slices.Contains([]string{"sqlite", "postgres", "mysql"}, s.dialect):
		return fmt.Errorf("quickstart: -dialect %q is not known; use sqlite, postgres or mysql", s.dialect)
	case s.table == "" || reflect.DeepEqual(s.columns, sqlstore.Columns{}):
		return errors.New("quickstart: -table and -columns are missing: where the users are")
	}
	return nil
}

// list is a flag that may be repeated, or given several values with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set makes an empty list of an empty text: -only "" is nobody, not everybody.
func (l *list) Set(text string) error {
	if *l == nil {
		*l = list{}
	}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// parseColumns reads a mapping like id=id,username=login.
func parseColumns(text string, c *sqlstore.Columns) error {
	columns := map[string]*string{
		"id": &c.ID, "object_id": &c.ObjectID, "source": &c.Source, "username": &c.Username,
		"first_name": &c.FirstName, "last_name": &c.LastName, "email": &c.Email, "phone": &c.Phone,
		"status": &c.Status, "protected": &c.Protected,
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, column, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if columns[name] == nil || column == "" {
			return fmt.Errorf("%q is not like username=login", pair)
		}
		*columns[name] = column
	}
	return nil
}
