# shellcheck shell=bash disable=SC2015,SC2016,SC2030,SC2031,SC2034,SC2054,SC2154
# Part of the script engines: what an engine consists of, how it comes, and how it is
# known to be the right one. Each engine's own file gives its version, and
#
#   needs           prints what running it lacks on this machine
#   fetch_needs     prints what fetching it lacks
#   fetch FOLDER    fills the folder
#   listing FOLDER  prints the lines that the file checksums must hold for it
#   prepare, ready  see launch

# pinned prints the lines of the file checksums about the engine.
pinned() { grep -E "^[^#]+  $name/" "$here/checksums" | LC_ALL=C sort; }

# verified FOLDER: the folder holds what is pinned, nothing else and nothing less.
verified() {
  [ "$(listing "$1" | LC_ALL=C sort)" = "$(pinned)" ]
}

# cached sets dist to the engine's verified folder, which is fetched if it is not
# there, or is not what it should be. The folder's name holds the pins, so that two
# working trees with different ones do not replace each other's.
cached() {
  dist=$cache/$name-$version-$(pinned | sha256sum | cut -c1-12)
  mkdir -p "$cache" 2>/dev/null || { fail "ENGINES_CACHE $cache cannot be made"; return; }
  reachable "$cache" || return
  exec 9>"$cache/$name.lock" || { fail "ENGINES_CACHE $cache cannot be written"; return; }
  flock -w 900 9 || { fail "another fetch of it has not ended for 15 minutes"; return; }
  if [ -d "$dist" ]; then
    if verified "$dist" 2>/dev/null; then
      exec 9>&-
      return 0
    fi
    say "$name" damaged "what is kept of it is not what is pinned: it is fetched again" >&2
  fi
  had fetch_needs || return
  say "$name" fetching "version $version, kept in $cache" >&2
  rm -rf "$cache/.fetch-$name".*
  local new
  new=$(mktemp -d "$cache/.fetch-$name.XXXXXX") || { fail "ENGINES_CACHE $cache cannot be written"; return; }
  trap 'rm -rf "$new"' EXIT
  trap 'exit 1' TERM INT
  fetch "$new" || return 1
  if ! verified "$new"; then
    diff <(pinned) <(listing "$new" | LC_ALL=C sort) | sed -nE 's/^[<>] [^ ]+  /  differs: /p' | sort -u | head -n 5 >&2
    fail "what was fetched is not what infra/engines/checksums pins; nothing of it is kept"
    return
  fi
  if ! { chmod -R a+rX "$new" && rm -rf "$dist" && mv "$new" "$dist"; }; then
    fail "ENGINES_CACHE $cache cannot be written"
    return
  fi
  trap - EXIT TERM INT
  exec 9>&-
}

# reachable FOLDER: the user under whom the server will run can enter the folder.
reachable() {
  as_server
  [ ${#other_user[@]} = 0 ] || "${other_user[@]}" test -x "$1" ||
    fail "the server runs as user $server_uid, who cannot enter $1: put ENGINES_CACHE elsewhere"
}

# as_server sets other_user to what must stand before the server's command line. It
# is empty unless the engine says otherwise.
as_server() { other_user=(); }

# pin NAME prints the engine's lines for the file checksums, out of a fresh fetch
# that is checked against nothing: whoever pins looks at what changed.
pin() (
  name=$1
  # shellcheck source=/dev/null
  source "$here/$name.sh"
  had common_needs
  had needs
  had fetch_needs
  mkdir -p "$state/$name"
  new=$(mktemp -d -t oipnode-pin.XXXXXX)
  trap 'rm -rf "$new"' EXIT
  trap 'exit 1' TERM INT
  pinning=yes fetch "$new" || exit
  listing "$new" | LC_ALL=C sort -k 2
)

# files FOLDER prints a line for each file below it.
files() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum) | sed "s#  \./#  $name/#"; }

# jdk MIN MAX TOOL sets java_home to an installation of Java in that range that has the
# tool, and that the server's user can run.
jdk() {
  local candidate major
  as_server
  for candidate in "${ENGINES_JAVA_HOME:-}" "${JAVA_HOME:-}" "$(path_java)" /usr/lib/jvm/*17* /usr/lib/jvm/*21* /usr/lib/jvm/*; do
    [ -n "$candidate" ] && [ -x "$candidate/bin/java" ] && [ -x "$candidate/bin/$3" ] || continue
    [ ${#other_user[@]} = 0 ] || "${other_user[@]}" test -x "$candidate/bin/java" || continue
    major=$("$candidate/bin/java" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.specification.version = \(1\.\)\{0,1\}\([0-9]*\).*/\2/p')
    if [ -n "$major" ] && [ "$major" -ge "$1" ] && [ "$major" -le "$2" ]; then
      java_home=$candidate java_major=$major
      return 0
    fi
  done
  return 1
}

path_java() {
  local java
  java=$(command -v java) || return 0
  java=$(readlink -f "$java")
  echo "${java%/bin/java}"
}

# nameless keeps the names of registries' hosts out of what is printed and logged.
nameless() { sed -E 's#https?://[^] )>,"]*#(registry)#g; s#([Uu]nknown host|lookup) [^ :]+#\1 (registry)#g'; }

# maven FOLDER DEPTH ARTIFACT… copies artifacts, each GROUP:NAME:VERSION:TYPE, into the
# folder; with DEPTH "all" what they need at run time too, with "alone" nothing else.
# The local repository is its own, because two Mavens may not share one.
maven() {
  local folder=$1 depth=$2 work artifact try fields
  shift 2
  work=$(mktemp -d "$folder/.maven.XXXXXX")
  {
    echo '<project><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>oipnode</groupId><artifactId>engine</artifactId><version>1</version><packaging>pom</packaging>'
    echo '<dependencies>'
    for artifact in "$@"; do
      IFS=: read -ra fields <<<"$artifact"
      printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><type>%s</type>' "${fields[@]}"
      if [ "$depth" = alone ]; then
        printf '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>'
      fi
      echo '</dependency>'
    done
    echo '</dependencies></project>'
  } >"$work/pom.xml"
  for try in 1 2 3; do
    # -C: a file whose checksum is not the repository's own is an error, not a warning.
    if (cd "$work" && mvn -B -q -C -Dmaven.repo.local="$work/repository" \
      org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$work/out") </dev/null 2>&1 | nameless >"$state/$name/fetch.log"; then
      mv "$work/out"/* "$folder/"
      rm -rf "$work"
      return 0
    fi
    [ "$try" = 3 ] || sleep 3
  done
  fail "Maven could not fetch it; its log is $state/$name/fetch.log"
}
