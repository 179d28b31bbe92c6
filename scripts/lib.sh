# Sourced by the scripts beside it: finds the JDK, builds when needed.
# shellcheck shell=bash

WEFT_HOME="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
WEFT_BUILD="$WEFT_HOME/target"
WEFT_JDK_MIN=25

weft_die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# The major version that the `release` file of a JDK folder states; fails if that is not a JDK.
# Running java for it would cost a start of the JVM for each candidate.
weft_jdk_version() {
  local home="$1" line
  [[ -r "$home/release" && -x "$home/bin/java" && -x "$home/bin/javac" ]] || return 1
  line="$(grep -m1 '^JAVA_VERSION=' "$home/release")" || return 1
  line="${line#JAVA_VERSION=\"}"
  line="${line%%[!0-9]*}"
  [[ -n "$line" ]] || return 1
  printf '%s\n' "$line"
}

# Sets WEFT_JDK to a JDK that is new enough: a chosen one first, then PATH's, then the usual folders.
weft_find_jdk() {
  local candidate java version
  local candidates=()
  [[ -n "${WEFT_JAVA_HOME:-}" ]] && candidates+=("$WEFT_JAVA_HOME")
  [[ -n "${JAVA_HOME:-}" ]] && candidates+=("$JAVA_HOME")
  if java="$(command -v java)"; then
    java="$(readlink -f -- "$java" 2>/dev/null || printf '%s' "$java")"
    candidates+=("$(dirname -- "$(dirname -- "$java")")")
  fi
  for candidate in /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/* \
    "${HOME:-/nonexistent}"/.sdkman/candidates/java/* "${HOME:-/nonexistent}"/.jdks/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "${HOME:-/nonexistent}"/Library/Java/JavaVirtualMachines/*/Contents/Home; do
    candidates+=("$candidate")
  done
  for candidate in "${candidates[@]}"; do
    if version="$(weft_jdk_version "$candidate")" && ((version >= WEFT_JDK_MIN)); then
      WEFT_JDK="$candidate"
      return 0
    fi
  done
  weft_die "Weft needs a JDK $WEFT_JDK_MIN or later and found none: install one (Debian package temurin-$WEFT_JDK_MIN-jdk or openjdk-$WEFT_JDK_MIN-jdk), or set JAVA_HOME to it."
}

# Runs Maven on that JDK, so that what runs inside Maven's own JVM sees it too. Needs weft_find_jdk.
weft_maven() {
  if ! command -v mvn >/dev/null; then
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
      weft_apt_install maven
    else
      weft_die "Weft is built with Maven and found none: install it (Debian package maven)."
    fi
  fi
  JAVA_HOME="$WEFT_JDK" mvn -B -ntp -f "$WEFT_HOME/pom.xml" "$@"
}

# Installs Debian packages by name; as root only.
weft_apt_install() {
  local log
  echo "installing Debian packages: $*" >&2
  log="$(mktemp)"
  if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    weft_die "could not install: $*"
  fi
  rm -f "$log"
}
