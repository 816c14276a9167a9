# Everything a change needs. CONTRIBUTING.md says when to run what.

# Every package of every module that go.work names.
PACKAGES = $$(go list -m -f '{{.Dir}}/...')

# How many inputs each fuzz target tries, or how long it runs (30s). A count is the
# default, because the go command sometimes takes the end of the time for a failure.
FUZZTIME ?= 3000x

# How long the tests of one package may take, on a machine with twenty times too much
# to do.
TIMEOUT ?= 60m

# Two releases of Go are supported. go.work names the newer one's latest patch, with
# which everything is checked; this is the older one's, with which the project must
# build and the library's own tests pass.
OLDER_GO ?= go1.26.11

.DEFAULT_GOAL := test
.PHONY: test older lint fuzz vuln api tables mutate worlds histories real-histories clauses examples fleet screenshot tidy bench benchmarks ratios

## test: run all tests of all modules, real servers included where they can run
test:
	@.ci/install
	go test -race -timeout $(TIMEOUT) $(PACKAGES)

## older: build and vet everything, and run the library's own tests, with the older Go
older: export GOTOOLCHAIN = $(OLDER_GO)
older:
	go version
	go build -buildvcs=false $(PACKAGES)
	go vet $(PACKAGES)
	go test -timeout $(TIMEOUT) ./...

## lint: formatting, go vet, staticcheck and tidy modules
lint: bin/staticcheck
	@.ci/formatted
	go vet $(PACKAGES)
	bin/staticcheck $(PACKAGES)
	@.ci/tidy

## tidy: put the modules in order, which lint only checks
tidy:
	@.ci/tidy -w

## fuzz: run each fuzz target for FUZZTIME
fuzz:
	@.ci/fuzz $(FUZZTIME)

## vuln: look for known vulnerabilities that the code reaches
vuln: bin/govulncheck
	@.ci/vuln

## api: record what the packages export, which make test compares
api:
	go test -count=1 ./internal/integration/house -run TestAPI -args -write-api

## tables: write docs/TABLES.md from the gallery of tables, which make test compares
tables:
	go test -count=1 ./internal/integration/hosts -run TestPage -args -write-tables

# What make mutate changes, of which files, and the packages whose tests must notice, if
# they are others; of these, the tests that match RUN and do not match SKIP. AGAIN is what
# an earlier run printed: only what survived there is tried. EVERY tries each so many of a
# large package.
PKG ?= ./internal/claims
FILES ?=
TESTS ?=
RUN ?=
SKIP ?=
AGAIN ?=
EVERY ?= 1

## mutate: change PKG in one small way at a time, and tell which changes no test of TESTS notices
mutate:
	nice go run ./internal/integration/mutate -listed internal/integration/mutate/equivalent.txt \
		-files "$(FILES)" -tests "$(TESTS)" -run "$(RUN)" -skip "$(SKIP)" -again "$(AGAIN)" -every $(EVERY) $(PKG)

## worlds: try every small world of roles and of groups, some three million, and a million of all else
worlds:
	GOGC=2000 ADSYNC_WORLDS=3000000 nice go test -count=1 -timeout 60m -run InEverySmallWorld . ./activedirectory/internal/ldapread
	GOGC=2000 ADSYNC_WORLDS=1000000 nice go test -count=1 -timeout 60m -run 'Reconcile_EqualsTheOracle|Adopt_LinksOnlyCertainPairs' .

# How many histories, and the number of the first, from which all that happens in it follows.
N ?= 100000
SEED ?= 1

## histories: compare plans by mark with full ones in N random histories of a domain and a table
histories:
	GOGC=off GOMEMLIMIT=500MiB nice go test -count=1 -timeout 24h ./activedirectory -run InAnyHistory -v -args -histories $(N) -first-history $(SEED)

## real-histories: the same in N random histories of a real domain
real-histories:
	@.ci/install
	nice go test -count=1 -timeout 24h ./internal/integration/directory -run 'TestSamba/changes_since' -v -args -histories $(N) -first-history $(SEED)

# Try only the clauses whose words match.
ONLY ?=

## clauses: take one clause at a time out of what makes a plan by mark as good as a full one, which a test must notice
clauses:
	nice go run ./internal/integration/clauses -only "$(ONLY)"

## examples: build every example
examples:
	go build -buildvcs=false -o /dev/null ./examples/...

# Sizes of the directory to measure with; 1000000 takes long.
PEOPLE ?= 10000,100000
RUNS ?= 5

## bench: measure against ldapsearch and the databases, and print a table
bench:
	go run ./internal/integration/bench -people $(PEOPLE) -runs $(RUNS)

## benchmarks: run the benchmark of each small piece once, so that it keeps working
benchmarks:
	go test -run '^$$' -bench . -benchtime 1x $$(go list ./... | grep /internal/)

## ratios: fail where a listing or a sync takes much more, relative to ldapsearch, than was recorded
ratios:
	go run ./internal/integration/bench -people 10000 -runs 3 -recorded internal/integration/bench/recorded.json

# How long the day of make fleet takes.
DAY ?= 24m

## fleet: a day of 500 tenants with 2000 people each, whose machines get killed
fleet:
	cd examples && go test -count=1 -timeout 6h ./fleet -run TestDay -v -args -tenants 500 -people 2000 -machines 3 -day $(DAY)

## screenshot: take the README's pictures of the page again
screenshot:
	cd examples && go test -count=1 ./webhost -run TestStory_InABrowser -args -screenshot ../../docs/images/webhost.png

# The tools are pinned by .ci/tools/go.sum. They are built outside the
# workspace: no module of ours needs what they need. An analyser reads the sources of
# Go itself, so it must be built by no older release than they are of.
bin/staticcheck bin/govulncheck: .ci/tools/go.mod .ci/tools/go.sum
	@mkdir -p bin
	cd .ci/tools && GOTOOLCHAIN=$$(../toolchain) GOWORK=off go build -buildvcs=false -o ../../bin/ tool
