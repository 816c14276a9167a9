package directory

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The cases, in an order that keeps the slow ones for last.
var cases = []struct {
	name string
	run  func(*testing.T, *scene)
}{
	{"first sync", testFirstSync},
	{"first import", testFirstImport},
	{"renamed", testRenamed},
	{"moved inside the base", testMovedInside},
	{"moved out of the base", testMovedOut},
	{"disabled is told", testDisabledIsTold},
	{"disabled deactivates by rule", testDisabledDeactivates},
	{"expired is disabled", testExpiredIsDisabled},
	{"enabled before apply", testEnabledBeforeApply},
	{"deleted", testDeleted},
	{"leavers wait", testLeaversWait},
	{"created again under the same name", testCreatedAgain},
	{"username of a local user", testUsernameTaken},
	{"email of another account", testEmailTaken},
	{"emails swapped", testEmailsSwapped},
	{"cleared detail", testCleared},

	{"account without the right to tombstones", testNoTombstones},
	{"hidden subtree", testHiddenSubtree},
	{"hidden base", testHiddenBase},
	{"check", testCheck},
	{"check directory", testCheckDirectory},
	{"filter on membership", testFilterOnMembership},
	{"search", testSearch},
	{"base from the rootDSE", testBaseFromRootDSE},
	{"attributes by OID", testNames},
	{"another identity", testConsistencyGuid},

	{"denied attributes", testDeniedAttributes},
	{"denied on one account", testDeniedOnOneAccount},
	{"who is disabled cannot be read", testUnreadableFlag},
	{"hidden objects", testHiddenObjects},
	{"without Pre-Windows 2000 Compatible Access", testWithoutPreWindows2000},
	{"rights of a group", testRightsOfAGroup},

	{"nested groups", testNestedGroups},
	{"primary group", testPrimaryGroup},
	{"hidden groups", testHiddenGroups},
	{"extended names", testExtendedNames},
	{"ranges", testRanges},
	{"roles of nested groups", testRolesOfNestedGroups},
	{"roles of hidden groups", testRolesOfHiddenGroups},
	{"roles of denied members", testRolesOfDeniedMembers},
	{"roles of distribution groups", testRolesOfDistributionGroups},
	{"roles without Pre-Windows 2000 Compatible Access", testRolesWithoutPreWindows2000},
	{"roles by name", testRolesByName},
	{"roles of other domains", testRolesOfOtherDomains},
	{"roles are given and taken", testRolesGivenAndTaken},
	{"what moves numbers", testWhatMovesNumbers},
	{"changed since", testChangedSince},
	{"bound token", testBoundToken},
	{"changes since a mark", testChangesSince},

	{"wrong password", testWrongPassword},
	{"plain connection refused", testPlainRefused},
	{"plain connection allowed", testPlainAllowed},
	{"StartTLS", testStartTLS},
	{"StartTLS untrusted", testStartTLSUntrusted},
	{"certificate from an unknown authority", testUnknownAuthority},
	{"certificate for another host", testOtherHost},
	{"certificate expired", testExpired},
	{"nobody listens", testNobodyListens},

	{"second controller", testSecondController},
	{"rolled back", testRolledBack},
	{"roles on two controllers", testRolesOnTwoControllers},
	{"many pages", testManyPages}, // and what happens when they are cut short
}

func runSuite(t *testing.T, b *bed) {
	t.Helper()
	for n, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newScene(t, b, n)) })
	}
}
