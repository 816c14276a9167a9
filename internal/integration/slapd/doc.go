// Package slapd holds adsync to a real OpenLDAP server: identity by entryUUID,
// details by other attributes, and no proof of any deletion. It has no code of
// its own.
package slapd
