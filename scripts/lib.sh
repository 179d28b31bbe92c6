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
  # Maven's own Guava uses Unsafe, too; without the flag its warnings lead every build's output.
  # noreset: else escape codes end up in files and in front of the next line.
  JAVA_HOME="$WEFT_JDK" MAVEN_OPTS="-Djansi.noreset=true --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED ${MAVEN_OPTS:-}" \
    mvn -B -ntp -f "$WEFT_HOME/pom.xml" "$@"
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

# Sets WEFT_JAR; builds it first if it is older than what it is made from. Needs weft_find_jdk.
weft_build() {
  local stamp="$WEFT_BUILD/.built" begun log
  mkdir -p "$WEFT_BUILD"
  if ! weft_is_built; then
    # Of two starts at once, the second waits for the first one's build.
    exec 9>"$WEFT_BUILD/.lock"
    if command -v flock >/dev/null; then
      flock 9
    fi
    if ! weft_is_built; then
      echo "building ..." >&2
      begun="$(mktemp "$WEFT_BUILD/.begun.XXXXXX")"
      log="$(mktemp "$WEFT_BUILD/.log.XXXXXX")"
      if ! weft_maven -q -Dmaven.test.skip=true package >"$log" 2>&1 9>&-; then
        cat "$log" >&2
        rm -f "$begun" "$log"
        weft_die "The build failed."
      fi
      rm -f "$log"
      mv -f "$begun" "$stamp"
    fi
    exec 9>&-
  fi
  WEFT_JAR="$(weft_jar)"
}

# Compiles the tests if they are older than what they are made from; leaves their class path, without the
# build's own folders, in test-classpath. Needs weft_find_jdk.
weft_build_tests() {
  local begun="$EPOCHSECONDS" log
  mkdir -p "$WEFT_BUILD"
  if ! weft_tests_are_built; then
    echo "compiling the tests ..." >&2
    log="$(mktemp)"
    if ! weft_maven -q test-compile >"$log" 2>&1; then
      cat "$log" >&2
      rm -f "$log"
      weft_die "The build failed."
    fi
    rm -f "$log"
    weft_tests_built "$begun"
  fi
}

# Notes that the tests are built from what was there at that time, in seconds.
weft_tests_built() {
  touch -d "@$1" "$WEFT_BUILD/.tests-built"
}

weft_tests_are_built() {
  local stamp="$WEFT_BUILD/.tests-built"
  [[ -f "$stamp" && -f "$WEFT_BUILD/test-classpath" && -d "$WEFT_BUILD/test-classes" ]] &&
    [[ -z "$(find "$WEFT_HOME/pom.xml" "$WEFT_HOME/src" -newer "$stamp" -print -quit)" ]]
}

# "passed failed skipped" over the test reports in a folder.
weft_count_tests() {
  local reports=("$1"/TEST-*.xml)
  if [[ ! -e "${reports[0]}" ]]; then
    echo "0 0 0"
    return
  fi
  awk '
    function attribute(name) {
      return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : 0
    }
    /<testsuite / { reading = 1 }
    reading {
      tests += attribute("tests")
      failed += attribute("failures") + attribute("errors")
      skipped += attribute("skipped")
      if (/>/) reading = 0
    }
    END { print tests - failed - skipped, failed + 0, skipped + 0 }
  ' "${reports[@]}"
}

# The newest jar, should an older version's still lie beside it.
weft_jar() {
  local jar newest=
  for jar in "$WEFT_BUILD"/weft-*.jar; do
    [[ -f "$jar" && ( -z "$newest" || "$jar" -nt "$newest" ) ]] && newest="$jar"
  done
  printf '%s' "$newest"
}

# Folders count too: a deleted file touches only the folder it was in.
weft_is_built() {
  local stamp="$WEFT_BUILD/.built"
  [[ -f "$stamp" && -d "$WEFT_BUILD/lib" && -n "$(weft_jar)" ]] &&
    [[ -z "$(find "$WEFT_HOME/pom.xml" "$WEFT_HOME/src/main" -newer "$stamp" -print -quit)" ]]
}

# Becomes the JVM that runs the command line. The jar's manifest names the jars it needs.
weft_exec() {
  local options=()
  read -r -d '' -a options <<<"${JAVA_OPTS:-} ${WEFT_JAVA_OPTS:-}" || true
  exec "$WEFT_JDK/bin/java" "@$WEFT_HOME/conf/jvm.options" \
    "-Dlogback.configurationFile=$WEFT_HOME/conf/logback.xml" "-Dweft.home=$WEFT_HOME" \
    ${options[@]+"${options[@]}"} -cp "$WEFT_JAR${WEFT_CLASSPATH:+:$WEFT_CLASSPATH}" io.weft.cli.Main "$@"
}
