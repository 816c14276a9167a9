package adsynctest

// Fault names one way in which a [Controller] misbehaves. See [Controller.Order].
type Fault string

// The faults. Each says what becomes of a plan.
const (
	// FaultDown ends all connections, and new ones as soon as they are made. Another
	// controller is read if there is one; otherwise nothing can be planned.
	FaultDown Fault = "down"

	// FaultSilent takes connections and requests and never answers. It is found out after
	// Config.Timeout, which a test should set to a second; from then on it is like FaultDown.
	FaultSilent Fault = "silent"

	// FaultBusy refuses each search with the result busy (51). It is like FaultDown.
	FaultBusy Fault = "busy"

	// FaultCutListing ends the connection after the first entry of a search in BaseDN. A
	// listing that was not read to its end makes no plan.
	FaultCutListing Fault = "cut-listing"

	// FaultEmptyAnswers finds nobody, with success, as when rights were lost or the base is
	// empty. Nobody is removed because of it.
	FaultEmptyAnswers Fault = "empty-answers"

	// FaultNoDetails hides everybody's first and last names, emails and phones from the
	// service account. A plan that would clear so many is held back by its limits.
	FaultNoDetails Fault = "no-details"

	// FaultNoFlags hides everybody's userAccountControl from the service account. Nobody is
	// created or reactivated while it is unknown whether the account is disabled.
	FaultNoFlags Fault = "no-flags"

	// FaultNoTombstones hides deleted accounts from the service account, so that no deletion
	// is proven.
	FaultNoTombstones Fault = "no-tombstones"

	// FaultMalformed answers each search with what is not LDAP. It is like FaultDown.
	FaultMalformed Fault = "malformed"

	// FaultPasswordRefused calls the service account's password wrong (52e). It is not tried
	// on another controller, nor again for a while.
	FaultPasswordRefused Fault = "password-refused"

	// FaultPasswordExpired says that the service account's password has expired (532).
	FaultPasswordExpired Fault = "password-expired"

	// FaultLockedOut says that the service account is locked out (775).
	FaultLockedOut Fault = "locked-out"
)
