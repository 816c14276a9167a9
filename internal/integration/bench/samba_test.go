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
// them up, by turns, to tell how many look-ups cost as much as a listing; and lists them
// with five roles each, by groups.
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
	cfg := activedirectory.Config{URLs: []string{controller.URL}, TLS: &tls.Config{RootCAs: controller.RootCAs()},
		Bind: activedirectory.SimpleBind(controller.AdminUPN, controller.AdminPassword)}
	dir, err := activedirectory.New(cfg)
	require.NoError(b, err)
	for key := range roleBands * roleBand {
		group := fmt.Sprintf("CN=%s,CN=Users,%s", roleName(key), controller.BaseDN)
		add := ldap.NewAddRequest(group, nil)
		add.Attribute("objectClass", []string{"group"})
		var members []string
		for i := range people {
			if hasRole(i, key) {
				members = append(members, fmt.Sprintf("CN=%s,CN=Users,%s", username(i), controller.BaseDN))
			}
		}
		add.Attribute("member", members)
		require.NoError(b, admin.Add(add))
		cfg.Roles = append(cfg.Roles, activedirectory.Role{Name: roleName(key), Group: group})
	}
	withRoles, err := activedirectory.New(cfg)
	require.NoError(b, err)
	var ids []adsync.ObjectID
	for e, err := range dir.Entries(b.Context()) {
		require.NoError(b, err)
		ids = append(ids, e.ObjectID)
	}
	require.Greater(b, len(ids), people)
	var listing, lookUp, roles []time.Duration
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
		roles = append(roles, timed(func() {
			given := 0
			for e, err := range withRoles.Entries(b.Context()) {
				require.NoError(b, err)
				given += len(e.Extra.Set(adsync.FieldRoles))
			}
			require.Equal(b, roleBands*people, given)
		}))
	}
	slices.Sort(listing)
	slices.Sort(lookUp)
	slices.Sort(roles)
	b.ReportMetric(float64(listing[len(listing)/2].Microseconds())/float64(len(ids)), "µs/listed")
	b.ReportMetric(float64(lookUp[len(lookUp)/2].Microseconds())/float64(len(ids)), "µs/looked-up")
	b.ReportMetric(float64(roles[len(roles)/2].Microseconds())/float64(len(ids)), "µs/listed-with-roles")
}

func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}
