# shellcheck shell=bash
# Python's tools, each in a virtual environment of pinned versions in the cache. Whoever
# sources this has sourced cache.sh, and has set program, its name in messages, and here,
# the folder of its pins; it has a function absent, which ends it with a reason.

# folder NAME sets found to the environment that NAME.txt describes. The interpreter is
# part of its name, because an environment works with the one that made it only.
folder() {
  command -v python3 >/dev/null || absent "python3"
  found=$cache/$1-$({ python3 -VV; python3 -c 'import sys; print(sys.executable)'; cat "$here/$1.txt"; } | sha256sum | cut -c1-12)
}

# fetch NAME makes the environment, once for all who ask at the same time. It is made
# in its place, since it cannot be moved; the file complete says that it is whole. Where
# NAME.txt has hashes, pip takes nothing else.
fetch() {
  folder "$1"
  [ ! -f "$found/complete" ] || return 0
  command -v flock >/dev/null || absent "flock (util-linux)"
  python3 -c 'import ensurepip, venv' 2>/dev/null || absent "Python's venv (python3-venv)"
  mkdir -p "$cache"
  exec 9>"$cache/$1.lock"
  flock -w 900 9
  if [ ! -f "$found/complete" ]; then
    echo "$program: fetching $1, kept in $cache" >&2
    rm -rf "$found"
    python3 -m venv "$found"
    if ! "$found/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$here/$1.txt" >"$found/log" 2>&1; then
      sed -E 's#https?://[^ ]*#(registry)#g; s#host=[^ ,]*#host=(registry)#g' "$found/log" | tail -n 5 >&2
      echo "$program: pip could not install what $1.txt names" >&2
      exit 1
    fi
    touch "$found/complete"
  fi
  exec 9>&-
}
