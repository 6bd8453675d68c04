# The short way to everything. All it needs beyond a Rust toolchain it installs itself, if it can.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# As root without sudo, as anyone else with it, where it is.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

# What building takes: a C linker for Rust, and libpcap for the filter expression and the packet socket.
BUILD_NEEDS := gcc:gcc,libc6-dev pkg-config:pkg-config pcap-config:libpcap-dev
# What tests run: a server and a client to listen to, namespaces to put them in, an independent capturer.
TEST_NEEDS := curl:curl ip:iproute2 ss:iproute2 python3:python3 tcpdump:tcpdump ethtool:ethtool \
	gzip:gzip bzip2:bzip2 xz:xz-utils zstd:zstd zip:zip groff:groff-base pdftotext:poppler-utils setcap:libcap2-bin \
	jq:jq jsonschema:python3-jsonschema xmllint:libxml2-utils

# What packages are made and looked at with.
DEB_NEEDS := dpkg-buildpackage:dpkg-dev dh:debhelper dh_apparmor:dh-apparmor lintian:lintian apparmor_parser:apparmor
RPM_NEEDS := rpmbuild:rpm patchelf:patchelf rpm2cpio:rpm2cpio cpio:cpio rpmlint:rpmlint apparmor_parser:apparmor

# What packages are tried in and with.
BOOT_NEEDS := debootstrap:debootstrap systemd-nspawn:systemd-container curl:curl ip:iproute2 python3:python3 \
	xmllint:libxml2-utils pgrep:procps nsenter:util-linux

.PHONY: run test sanitized lint advisories fuzz build docs deb rpm package-tree boot-test rpm-test sbom reproducible \
	needs test-needs every-need

# The same source makes the same bytes, wherever it lies and whoever builds it: what a panic would say of where a
# file was is said of names that stand for the directories.
HOME_OF_CARGO := $(or $(CARGO_HOME),$(HOME)/.cargo)
RELEASE := --config 'build.rustflags=["--remap-path-prefix=$(CURDIR)=tcpflow","--remap-path-prefix=$(HOME_OF_CARGO)=cargo"]' \
	build --release --workspace --bins

# The main job, on a capture that comes with the source.
run: build
	./tests/show $(TARGET)/release/tcpflow tests/pcaps/http.pcap

build: needs
	$(CARGO) $(RELEASE)

# The manual page and shell completions, for packages, under DOCS as under a prefix.
DOCS ?= $(TARGET)/docs
docs:
	$(CARGO) run -q -p packaging -- $(DOCS)

# Packages, in PACKAGES: for Debian and its kin, and for Fedora, openSUSE and theirs. Both are checked.
PACKAGES ?= $(TARGET)/packages
REVISION ?= 1
deb: package-tree
	@./tests/install-missing $(AS_ROOT) -- $(DEB_NEEDS)
	package=$$(./packaging/make-deb $(PACKAGES)/tree $(PACKAGES) $(REVISION)) && ./packaging/check "$$package"
rpm: package-tree
	@./tests/install-missing $(AS_ROOT) -- $(RPM_NEEDS)
	package=$$(./packaging/make-rpm $(PACKAGES)/tree $(PACKAGES) $(REVISION)) && ./packaging/check "$$package"
# The packages as they are to run: in a Debian that is made and booted for it, and in a tree with nothing else in it. As root.
# Both end with 77 where that cannot be had; WHERE_POSSIBLE is what is to run them, and may think so.
WHERE_POSSIBLE ?=
BOOT_TEST ?= $(TARGET)/boot-test
boot-test: package-tree
	@./tests/install-missing $(AS_ROOT) -- $(DEB_NEEDS) $(BOOT_NEEDS)
	package=$$(./packaging/make-deb $(PACKAGES)/tree $(PACKAGES) $(REVISION)) && \
		newer=$$(./packaging/make-deb $(PACKAGES)/tree $(PACKAGES) $(REVISION)+newer) && \
		$(WHERE_POSSIBLE) $(AS_ROOT) ./tests/packages/boot "$$package" "$$newer" $(BOOT_TEST)
rpm-test: rpm
	@./tests/install-missing $(AS_ROOT) -- $(BOOT_NEEDS)
	$(WHERE_POSSIBLE) $(AS_ROOT) ./tests/packages/rpm $(PACKAGES)/tcpflow-hardened-*-$(REVISION).*.rpm

package-tree: build docs
	rm -rf $(PACKAGES)/tree
	./packaging/install $(TARGET)/release $(DOCS) $(PACKAGES)/tree

# Every test. Those that need root or a program that is not there say so, and are counted as ignored.
test: needs test-needs
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace --no-fail-fast

# Every test once more, of executables that have the address sanitizer and rustc's own checks in them. Build scripts and
# macros, which run while building, go without if the target is named.
SANITIZER := -Zsanitizer=address -Zub-checks=yes
SANITIZED := RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(SANITIZER)" RUSTDOCFLAGS="$(SANITIZER)" \
	CARGO_TARGET_DIR=$(TARGET)/sanitized $(CARGO)
OF_SANITIZED := --workspace --profile sanitized --target $(shell rustc -vV | sed -n 's/^host: //p')
sanitized: needs test-needs
	$(SANITIZED) build $(OF_SANITIZED) --bins
	$(SANITIZED) test $(OF_SANITIZED) --no-fail-fast

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; \
	then $(CARGO) deny check bans licenses sources; \
	else echo "lint: cargo-deny is not installed: dependencies are not checked"; fi

# Known defects of what this is built of. Needs the network, for the database.
advisories:
	$(CARGO) deny check advisories

# Every fuzz target for a while, as many at once as there are processors, address sanitizer on. Sanitizers want a nightly
# compiler, or this variable.
FUZZ_TARGETS := link ip tunnel fragments tcp savefile compressed conversation messages http
FUZZ_SECONDS ?= 60
FUZZ := RUSTC_BOOTSTRAP=1 $(CARGO) fuzz
fuzz: needs
	@$(CARGO) fuzz --version >/dev/null || { echo "fuzz: cargo-fuzz is not installed: cargo install cargo-fuzz"; exit 1; }
	$(CARGO) run --quiet --package tcpflow-tests --bin seeds -- tests/fuzz/seeds
	cd tests/fuzz && $(FUZZ) build --fuzz-dir .
	$(MAKE) -j$$(nproc) --output-sync=target $(FUZZ_TARGETS:%=fuzz-%)
fuzz-%:
	cd tests/fuzz && mkdir -p corpus/$* seeds/$* && $(FUZZ) run --fuzz-dir . $* corpus/$* seeds/$* -- \
		-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0

# What each executable is built of, for whoever has to know: CycloneDX, one file each.
SBOM ?= $(TARGET)/sbom
sbom:
	./packaging/sbom $(SBOM)

# Builds twice, in different places, and compares.
reproducible: needs
	./tests/reproducible

needs:
	@./tests/install-missing $(AS_ROOT) -- $(BUILD_NEEDS)

test-needs:
	@./tests/install-missing $(AS_ROOT) -- $(TEST_NEEDS)

# All that any of these takes, and MORE, in one go.
MORE ?=
every-need:
	@./tests/install-missing $(AS_ROOT) -- $(BUILD_NEEDS) $(TEST_NEEDS) $(DEB_NEEDS) $(RPM_NEEDS) $(BOOT_NEEDS) $(MORE)
