package adsync

import "slices"

// stamps reports whether the time of a deactivation is written.
func (r *Rules) stamps() bool { return slices.Contains(r.Fields, FieldDeactivatedAt) }

// stamped is the user's DeactivatedAt with that new status. Whoever is active is not
// deactivated, so what is left there of former times is cleared.
func (r *Rules) stamped(u *User, status Status) Moment {
	switch after := (&User{Status: status}); {
	case after.active():
		return 0
	case after.off() && u.active() && r.stamps():
		return AtWrite
	}
	return u.DeactivatedAt
}
