//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

// BenchmarkSamba lists the people of a real domain controller and looks some of
// them up, by turns, to tell how many look-ups cost as much as a listing.
func BenchmarkSamba(b *testing.B) {
	const people = 1000
	controller := samba.Start(b)
	admin := controller.Admin(b)
	for i := range people {
		e := entryOf(i)
		add := ldap.NewAddRequest(fmt.Sprintf("CN=%s,CN=Users,%s", e.Username, controller.BaseDN), nil)
		add.Attribute("objectClass", []string{"user"})
		for name, value := range map[string]string{"sAMAccountName": e.Username, "givenName": e.FirstName, "sn": e.LastName, "mail": e.Email, "telephoneNumber": e.Phone} {
			add.Attribute(name, []string{value})
		}
		require.NoError(b, admin.Add(add))
	}
	dir, err := activedirectory.New(activedirectory.Config{URLs: []string{controller.URL}, TLS: &tls.Config{RootCAs: controller.RootCAs()},
		Bind: activedirectory.SimpleBind(controller.AdminUPN, controller.AdminPassword)})
	require.NoError(b, err)
	var ids []adsync.ObjectID
	for e, err := range dir.Entries(b.Context()) {
		require.NoError(b, err)
		ids = append(ids, e.ObjectID)
	}
	require.Greater(b, len(ids), people)
	var listing, lookUp []time.Duration
	for b.Loop() {
		listing = append(listing, timed(func() {
			for _, err := range dir.Entries(b.Context()) {
				require.NoError(b, err)
			}
		}))
		lookUp = append(lookUp, timed(func() {
			for _, err := range dir.Find(b.Context(), ids) {
				require.NoError(b, err)
			}
		}))
	}
	slices.Sort(listing)
	slices.Sort(lookUp)
	b.ReportMetric(float64(listing[len(listing)/2].Microseconds())/float64(len(ids)), "µs/listed")
	b.ReportMetric(float64(lookUp[len(lookUp)/2].Microseconds())/float64(len(ids)), "µs/looked-up")
}

func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}
