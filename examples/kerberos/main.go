// Kerberos binds to Active Directory with a ticket instead of a password over
// LDAP, and prints what the service account can read:
//
//	go run ./examples/kerberos -url ldaps://dc1.corp.example -realm CORP.EXAMPLE -user svc-sync -keytab svc.keytab
//	PASSWORD=… go run ./examples/kerberos -url ldaps://dc1.corp.example -realm CORP.EXAMPLE -user svc-sync
//
// The two functions in bind.go are all that a host needs. They live here, and not
// in adsync, so that hosts without Kerberos do not carry its dependencies.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/go-adsync/adsync/activedirectory"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var k kerberos
	url := flag.String("url", "", "controller, such as ldaps://dc1.corp.example, by the name that its certificate and its service principal bear")
	base := flag.String("base", "", "where to search; default: the whole domain")
	ca := flag.String("ca", "", "PEM file of the authority of the controller's certificate; default: the system's")
	keytab := flag.String("keytab", "", "keytab of the account; without it, the environment variable PASSWORD is its password")
	flag.StringVar(&k.user, "user", "", "account, without its realm")
	flag.StringVar(&k.realm, "realm", "", "Kerberos realm: the domain's name in capitals")
	flag.StringVar(&k.config, "krb5-conf", "/etc/krb5.conf", "where the realm's controllers are named")
	flag.Parse()

	bind := k.withPassword(os.Getenv("PASSWORD"))
	if *keytab != "" {
		bind = k.withKeytab(*keytab)
	}
	roots, err := authority(*ca)
	if err != nil {
		return err
	}
	directory, err := activedirectory.New(activedirectory.Config{
		URLs: []string{*url}, BaseDN: *base, Bind: bind, TLS: &tls.Config{RootCAs: roots},
	})
	if err != nil {
		return err
	}
	access, err := directory.Inspect(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("controller %s\nbase       %s\ntombstones %t\n", access.Controller, access.BaseDN, access.Tombstones)
	for _, missing := range access.Missing {
		fmt.Println("missing   ", missing)
	}
	return nil
}

// authority is nil, which means the system's, without a file.
func authority(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file named by -ca holds no certificate in PEM form")
	}
	return roots, nil
}
