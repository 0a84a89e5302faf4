# Needs Go and make. Whatever else the tests and the demo use is found on the
# machine or fetched once, without installing it, into a cache directory
# (root: /var/cache/referral, others: ~/.cache/referral, or REFERRAL_CACHE).

GO      ?= go
TESTENV := bin/testenv
LINT    := bin/golangci-lint

# What vet and lint load is compiled as the tests are, and so once. Nobody debugs these
# programs. No package goes without the race detector: generic code such as that of sync.Map is
# linked from any of the packages that use it, and would hide from it what synchronizes.
RACE := -race -gcflags=all=-dwarf=false

.DEFAULT_GOAL := help
.PHONY: help build deb image demo test lint vet soak citus citus-store bench screenshots release-fixture clean $(TESTENV) $(LINT)

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What `referral version` says beside the version; a build without a repository gives it.
COMMIT ?= $(shell git describe --always --abbrev=40 --exclude '*' --dirty=-modified 2>/dev/null)

# The same sources give the same bytes, whatever the directory: no path of this machine
# and nothing of its C library is in the program.
PROGRAM ?= bin/referral

build: ## build bin/referral, a static program
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.buildCommit=$(COMMIT)' -o $(PROGRAM) ./cmd/referral

VERSION := $(shell sed -n 's/^const version = "\(.*\)"/\1/p' cmd/referral/main.go)
ARCH    := $(shell $(GO) env GOARCH)
DIST    ?= bin
# The time of every file in a package or image, so that the same commit gives the same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

deb: build ## build a Debian package of it
	@PROGRAM=$(PROGRAM) VERSION=$(VERSION) ARCH=$(ARCH) CGO_ENABLED=0 $(GO) tool -modfile=tools/nfpm.mod nfpm package \
		--config deploy/debian/nfpm.yaml --packager deb --target $(DIST)/referral_$(VERSION)_$(ARCH).deb

BUILDAH ?= buildah

image: build ## build a container image of it with buildah, as an OCI layout
	@$(BUILDAH) bud --quiet --format oci --layers=false --timestamp $(SOURCE_DATE_EPOCH) --tag localhost/referral:$(VERSION) -f deploy/image/Containerfile $(dir $(PROGRAM))
	@$(BUILDAH) push --quiet localhost/referral:$(VERSION) oci:$(DIST)/image:$(VERSION)

.PHONY: sbom vuln

sbom: build ## list the modules in it as CycloneDX
	@CGO_ENABLED=0 $(GO) tool -modfile=tools/sbom.mod cyclonedx-gomod bin -json -noserial -version $(VERSION) -output $(DIST)/referral_$(VERSION).cdx.json $(PROGRAM)

# A URL, file:// too, of a vulnerability database in the format of Go's own.
VULNDB ?= https://vuln.go.dev

vuln: build ## look for known vulnerabilities of the modules in it
	@CGO_ENABLED=0 $(GO) tool -modfile=tools/vuln.mod govulncheck -db $(VULNDB) -mode binary -scan module $(PROGRAM)

# Without a terminal nobody can look at the demo or end it, so it runs through once.
demo: build ## show the service at work, on servers of its own (DEMO_FLAGS for more)
	@once=; if ! [ -t 0 ] || ! [ -t 1 ]; then once=--once; fi; \
	exec bin/referral demo $$once $(DEMO_FLAGS)

# The longest packages start first: what is last runs alone. The target vet has vetted the tests.
test: vet lint $(TESTENV) ## vet, lint and test everything, with the race detector and real servers
	@echo "== tests, with a private PostgreSQL, Kafka, SMPP server and Chromium"
	$(TESTENV) -- $(GO) test $(RACE) -vet=off -count=1 -timeout 40m -p 2 ./test/e2e ./store ./...

vet: $(TESTENV)
	@echo "== go vet"
	$(TESTENV) -with compiler -- $(GO) vet $(RACE) ./...

lint: $(TESTENV) $(LINT) ## run golangci-lint (built from source the first time: some minutes)
	@echo "== golangci-lint"
	$(TESTENV) -with compiler -- env GOFLAGS="$(RACE)" $(LINT) run ./...

# Everything breaks at random; the first life, and for how long another one begins: SOAK_FLAGS="--hours 2 --seed 7".
SOAK_FLAGS ?= --hours 1
soak: $(TESTENV) ## play made-up lives under random faults for hours, against the reference model
	$(TESTENV) -with postgres,kafka -- $(GO) test -count=1 -timeout 0 -v -artifacts -outputdir bin -run '^TestSoak$$' ./test/e2e -args $(SOAK_FLAGS)

# A superuser's connection to the coordinator of a Citus cluster; docs/scaling.md.
CITUS_TESTS := TestSpring$$|TestWorkloadIsSettled|TestTwoPersonsSign
citus: $(TESTENV) ## play made-up lives on the Citus cluster that CITUS_DSN names, against the reference model
	@[ -n "$(CITUS_DSN)" ] || { echo "on which cluster? make citus CITUS_DSN=postgres://postgres@coordinator:5432/referral"; exit 2; }
	REFERRAL_TEST_DSN="$(CITUS_DSN)" $(TESTENV) -with kafka,smpp,browser -- $(GO) test -count=1 -timeout 60m -v -run '$(CITUS_TESTS)' ./test/e2e

# Tests that make no sense on a cluster: one has a stand-in for Citus; the schema of a brand is
# not distributed; two start a run from within a chunk, which holds the start of runs up
# there; Citus cannot pass a whole row to a function, as one way to rewrite the journal does;
# and one counts the pages that a single server reads.
CITUS_NOT := TestCostOfAMonthDoesNotGrowWithHistory$$|TestDistribute$$|TestDistributeRefusesAnotherSchema|TestSchemasOfOneDatabaseShareNothing|TestRevisionsMissOneAnotherUnderARun|TestInvoiceMovesAwayFromUnderARun|TestTamperedJournalIsNamed/rewritten|TestJournalIsVerifiedFromTheLastCheckOn/written_again
citus-store: ## run the tests of the database on that cluster
	@[ -n "$(CITUS_DSN)" ] || { echo "on which cluster? make citus-store CITUS_DSN=postgres://postgres@coordinator:5432/referral"; exit 2; }
	REFERRAL_TEST_DSN="$(CITUS_DSN)" $(GO) test -count=1 -timeout 60m -skip '$(CITUS_NOT)' ./store

bench: $(TESTENV) ## measure, on durable servers
	$(TESTENV) -bench -- $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./test/bench/...

screenshots: $(TESTENV) ## take pictures of the pages again, into docs/img
	REFERRAL_TEST_SHOTS=$(CURDIR)/docs/img $(TESTENV) -- $(GO) test -count=1 -timeout 20m -run 'Pictures$$' ./test/e2e

release-fixture: $(TESTENV) ## keep a database that release VERSION has filled, for the test of upgrades
	@[ -n "$(VERSION)" ] || { echo "which release? make release-fixture VERSION=1.2.3"; exit 2; }
	REFERRAL_TEST_RELEASE=$(VERSION) $(TESTENV) -with postgres,kafka -- $(GO) test -count=1 -timeout 20m -run '^TestReleaseFixture$$' ./test/e2e

# A binary of its own: `go run` would pass on neither signals nor the exit status.
$(TESTENV):
	@$(GO) build -o $@ ./test/testenv

# A binary of its own: `go tool` would build it with the flags that it is to use.
$(LINT):
	@echo "== building golangci-lint from source (the first time: some minutes)"
	@$(GO) build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

clean: ## remove what was built; the cache directory stays
	rm -rf bin
