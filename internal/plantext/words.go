package plantext

// Mark is the sign before a change of the operation.
func Mark(op string) byte { return marks[op] }

// Reason says in words what a change does and why.
func Reason(op, reason string) string {
	if text, ok := reasonTexts[op][reason]; ok {
		return text
	}
	return op + ": " + reason
}

// Advice says what would have to change for a user who is left alone for that
// reason.
func Advice(reason string) string {
	if text, ok := advices[reason]; ok {
		return text
	}
	return "To change that, change the rule for this case: Rules.OnDeleted, OnDisabled, OnOutOfScope or OnUnproven."
}

var marks = map[string]byte{"update": '~', "delete": '-', "create": '+', "duplicate": '!', "invalid": '!', "notice": 'i'}

var reasonTexts = map[string]map[string]string{
	"update": {
		"changed":      "update: changed in the directory",
		"reactivated":  "reactivate: present and enabled again",
		"adopted":      "link to its directory account",
		"parked":       "make way for a moment: users trade names in a circle",
		"undone":       "undo: back to what it was before",
		"deleted":      "deactivate: deleted in the directory",
		"disabled":     "deactivate: disabled in the directory",
		"out-of-scope": "deactivate: outside the base or filter",
		"unproven":     "deactivate: not found, though no deletion is proven",
		"disputed":     "deactivate: deleted on one controller, and not on another",
	},
	"delete": {
		"deleted":      "delete: deleted in the directory",
		"disabled":     "delete: disabled in the directory",
		"out-of-scope": "delete: outside the base or filter",
		"unproven":     "delete: not found, though no deletion is proven",
	},
	"create": {"new": "create: new in the directory", "undone": "undo: create again after its deletion"},
	"duplicate": {
		"taken":        "duplicate: another user keeps it",
		"contested":    "duplicate: others ask for it too",
		"waiting":      "duplicate: waits for users who are held up themselves",
		"linked-twice": "duplicate: several users are linked to one account",
		"listed-twice": "duplicate: the directory shows its account in two ways, as while replication lags",
	},
	"invalid": {
		"no-username": "invalid: it would have no username",
		"missing":     "invalid: it would lack what every user needs",
		"refused":     "invalid: refused by the host's rule",
		"deceptive":   "invalid: a key has characters that make it read as another",
	},
	"notice": {
		"deleted":      "kept: deleted in the directory",
		"disabled":     "kept: disabled in the directory",
		"out-of-scope": "kept: outside the base or filter",
		"leaving":      "kept for now: to be removed",
		"unproven":     "kept: not found, but no deletion is proven",
		"disputed":     "kept: deleted on one controller, and not on another",
		"unknown":      "kept as it is: whether the account is disabled could not be read",
		"protected":    "kept: protected",
		"linked":       "not imported: a user is linked to it already",
		"ambiguous":    "not linked: something speaks against it",
		"undone":       "cannot be undone",
	},
}

var advices = map[string]string{
	"taken":        "To change that, rename or re-address one of the two, here or in the directory.",
	"contested":    "To change that, give all but one of them another name or address in the directory.",
	"waiting":      "To change that, solve the conflict of the users it waits for; then this one follows by itself.",
	"linked-twice": "To change that, leave the link to one of the users and remove it from the others.",
	"listed-twice": "To change that, wait until the domain controllers agree; if they do not, look at their replication, and for a domain that is joined twice.",
	"no-username":  "To change that, give the account a username in the directory.",
	"missing":      "To change that, give the account these details in the directory, or take them out of Rules.Require.",
	"refused":      "To change that, correct the account in the directory, or Rules.Map.",
	"deceptive":    "To change that, take control characters and marks of direction out of the account's username and address in the directory.",
	"disputed":     "To change that, look at the replication between the domain controllers; it is settled by itself when they agree.",
	"leaving":      "To change that, restore or enable the account in the directory before that time, or change Rules.RemoveAfter.",
	"unknown":      "To change that, let the service account read userAccountControl, or say in the directory's configuration how it tells who is disabled.",
	"protected":    "To change that, lift the user's protection in the host first.",
}
