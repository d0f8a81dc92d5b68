# shellcheck shell=bash disable=SC2015,SC2016,SC2030,SC2031,SC2034,SC2054,SC2154
# Part of the script engines: the life of one server. In $state/NAME lie
#
#   process   process id, its start time, and the machine's boot: who the server is
#   data      its folder; url, where it listens; log, what it printed
#   kept      there if start wants it, and not only a run
#   key       the access key that the S3 server knows
#
# A process id alone is not trusted: it may belong to a stranger by now.

# birth PID prints when the process began, in ticks since the boot. It fails if there
# is none, or if it has ended and only waits to be reaped.
birth() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The second field is a name in parentheses that may hold anything.
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != [ZX] ]] || return 1
  echo "${stat[19]}"
}

boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

# alive NAME: the very process that was started still runs. It sets pid.
alive() {
  local began booted
  pid=
  { read -r pid began booted <"$state/$1/process"; } 2>/dev/null || return 1
  [[ $pid =~ ^[0-9]+$ ]] && [ "$pid" -gt 1 ] && [ "$booted" = "$(boot)" ] && [ "$(birth "$pid")" = "$began" ]
}

# forget NAME removes what is left of a server that has ended. A folder goes only if
# its name and the mark in it say that it was made here.
forget() {
  local data
  data=$(cat "$state/$1/data" 2>/dev/null || true)
  if [[ ${data##*/} == oipnode-$1.* && -f $data/.oipnode-engine && ! -L $data ]]; then rm -rf -- "$data"; fi
  rm -f "$state/$1"/{process,data,url,kept,key}
}

# locked NAME takes the lock of an engine's state; it ends with this subshell.
locked() {
  mkdir -p "$state/$1"
  exec 8>"$state/$1.lock"
  flock -w 900 8 || fail "another start or stop of it has not ended for 15 minutes"
}

# end NAME ends the server: politely, and after 30 s by force.
end() {
  alive "$1" || return 0
  kill -TERM "$pid" 2>/dev/null || true
  local i
  for ((i = 0; i < 300; i++)); do
    alive "$1" || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  for ((i = 0; i < 50; i++)); do
    alive "$1" || return 0
    sleep 0.1
  done
  return 1
}

stop_one() (
  name=$1
  if [ ! -d "$state/$name" ]; then
    say "$name" stopped
    exit 0
  fi
  locked "$name"
  end "$name" || { fail "process $pid does not end"; exit 1; }
  forget "$name"
  say "$name" stopped
)

# common_needs prints what every engine needs and this machine lacks.
common_needs() {
  [ -r /proc/self/stat ] || echo "Linux"
  local tool
  for tool in flock setsid; do command -v "$tool" >/dev/null || echo "$tool (util-linux)"; done
  for tool in sha256sum timeout; do command -v "$tool" >/dev/null || echo "$tool (coreutils)"; done
}

# had [FUNCTION] reports code 3 if the function, or the engine itself, lacks something.
had() {
  local missing
  missing=$("$1" | paste -sd, | sed 's/,/, /g')
  [ -n "$missing" ] || return 0
  say "$name" unavailable "missing: $missing" >&2
  return 3
}

# start_one NAME starts one engine, whose own file says how. It runs in a subshell.
start_one() {
  name=$1
  if own "$name"; then
    say "$name" yours "${!variables[$name]} is set"
    return 0
  fi
  had common_needs || return
  locked "$name" || return
  if alive "$name" && [ -f "$state/$name/url" ]; then
    if [ "$name" = s3 ] && [ "$(cat "$state/s3/key" 2>/dev/null)" != "$(access_key)" ]; then
      fail "it runs with another AWS_ACCESS_KEY_ID: stop it first"
      return
    fi
    [ -z "$keep" ] || : >"$state/$name/kept"
    say "$name" running "$(<"$state/$name/url")"
    return 0
  fi
  # A server without a url belongs to a start that was killed.
  end "$name" || { fail "process $pid does not end"; return; }
  forget "$name"
  # shellcheck source=/dev/null
  source "$here/$name.sh"
  had needs || return
  local began=$SECONDS
  cached || return
  # From here on an interrupt must not leave a server behind.
  trap 'end "$name"; forget "$name"' EXIT
  trap 'exit 1' TERM INT
  local try code
  for try in 1 2 3; do
    code=0
    launch || code=$?
    if [ "$code" = 0 ]; then
      trap - EXIT TERM INT
      say "$name" started "$(<"$state/$name/url") in $((SECONDS - began)) s"
      return 0
    fi
    end "$name"
    forget "$name"
    [ "$code" != 2 ] || break
    # Only a port that someone took in between is worth another try.
    grep -qiE 'address already in use|failed to bind|bindexception' "$state/$name/log" || break
  done
  trap - EXIT TERM INT
  [ "$code" != 2 ] || return 1
  { grep -iE -m 3 'error|exception|fail|denied' "$state/$name/log" || tail -n 3 "$state/$name/log"; } 2>/dev/null >&2 || true
  fail "it did not start; its log is $state/$name/log"
}

access_key() { if own_keys; then echo "$AWS_ACCESS_KEY_ID"; else echo "$test_key"; fi; }

# launch starts the server on a free port and waits until it answers. The engine's
# prepare fills its folder $data, and sets the arrays line, the command, and exported,
# the variables that the server gets besides PATH and LANG. Code 2: the reason is told.
launch() {
  local port data line=() exported=() i parent
  parent=$(dirname "$(mktemp -u -t oipnode.XXXXXX)")
  # A closed TMPDIR may be root's own; the server of another user can enter the cache.
  as_server
  [ ${#other_user[@]} = 0 ] || "${other_user[@]}" test -x "$parent" || parent=$cache
  data=$(mktemp -d "$parent/oipnode-$name.XXXXXX") || { fail "no folder for its data"; return 2; }
  : >"$data/.oipnode-engine"
  mkdir "$data/tmp"
  echo "$data" >"$state/$name/data"
  free_port || { fail "no free port"; return 2; }
  prepare || return 2
  [ -z "$keep" ] || : >"$state/$name/kept"
  access_key >"$state/$name/key"
  (
    # The server writes down itself who it is, before it becomes the server: there
    # is no moment in which nobody knows it.
    self=$BASHPID
    printf '%s %s %s\n' "$self" "$(birth "$self")" "$(boot)" >"$state/$name/process"
    cd "$data" || exit
    # None of the caller's settings or secrets reach the server.
    while read -r variable; do export -n "${variable?}"; done < <(compgen -e)
    export PATH LANG=C.UTF-8 "${exported[@]}"
    exec setsid "${line[@]}" </dev/null >"$state/$name/log" 2>&1 6>&- 8>&- 9>&-
  ) &
  local server=$!
  for ((i = 0; i < patience * 10; i++)); do
    sleep 0.1
    kill -0 "$server" 2>/dev/null || return 1
    # Another server may have taken the port; then ours is about to end.
    if ready && sleep 0.05 && alive "$name"; then
      echo "http://127.0.0.1:$port" >"$state/$name/.url"
      mv "$state/$name/.url" "$state/$name/url"
      return 0
    fi
  done
  echo "no answer within $patience s" >>"$state/$name/log"
  return 1
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port sets port to one below those that the kernel hands out to clients.
free_port() {
  local i
  for ((i = 0; i < 50; i++)); do
    port=$((20000 + (RANDOM * 7 + BASHPID) % 12000))
    listening "$port" || return 0
  done
  return 1
}

# get PATH prints the first 64 KiB of the answer, head and body, of the server.
get() {
  # shellcheck disable=SC2016
  timeout 10 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$1" >&3 && head -c 65536 <&3' \
    "$port" "$1" 2>/dev/null || true
}
