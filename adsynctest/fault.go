package adsynctest

// Fault names one way in which a [Controller] misbehaves. See [Controller.Order].
type Fault string

// The faults. Of each it is said what a plan comes to.
const (
	// FaultDown ends all connections, and new ones as soon as they are made. Another
	// controller is read if there is one; otherwise nothing can be planned.
	FaultDown Fault = "down"

	// FaultSilent takes connections and requests and never answers. It is found out after
	// Config.Timeout, which a test should set to a second; then it is as FaultDown.
	FaultSilent Fault = "silent"

	// FaultBusy refuses each search with the result busy (51). It is as FaultDown.
	FaultBusy Fault = "busy"

	// FaultCutListing ends the connection after the first entry of a search in BaseDN. A
	// listing that was not read to its end is none.
	FaultCutListing Fault = "cut-listing"

	// FaultEmptyAnswers finds nobody, with success, as it looks where rights were lost or
	// the base is empty. Nobody is removed for it.
	FaultEmptyAnswers Fault = "empty-answers"

	// FaultNoDetails keeps first and last names, emails and phones from the service account,
	// of everybody. A plan that would clear so many is held back by its limits.
	FaultNoDetails Fault = "no-details"

	// FaultNoFlags keeps userAccountControl from the service account, of everybody. Nobody
	// is created or reactivated of whom it is not known whether the account is disabled.
	FaultNoFlags Fault = "no-flags"

	// FaultNoTombstones keeps deleted accounts from the service account, so that no deletion
	// is proven.
	FaultNoTombstones Fault = "no-tombstones"

	// FaultMalformed answers each search with what is not LDAP. It is as FaultDown.
	FaultMalformed Fault = "malformed"

	// FaultPasswordRefused calls the service account's password wrong (52e). It is not tried
	// on another controller, nor again for a while.
	FaultPasswordRefused Fault = "password-refused"

	// FaultPasswordExpired says that the service account's password has expired (532).
	FaultPasswordExpired Fault = "password-expired"

	// FaultLockedOut says that the service account is locked out (775).
	FaultLockedOut Fault = "locked-out"
)
