# shellcheck shell=bash disable=SC2015,SC2016,SC2030,SC2031,SC2034,SC2054,SC2154
# Part of the script engines: versitygw, an S3 server on a plain folder that checks
# signatures. It is built from source with the go command.
version=v1.8.0
patience=60
readonly module=github.com/versity/versitygw

needs() { :; }

fetch_needs() { command -v go >/dev/null || echo "go"; }

# The module's own hash is pinned. Its go.sum, which that hash covers, pins what it is
# built from; the module is built in its own folder so that its go.sum counts.
fetch() {
  local answer folder try
  for try in 1 2 3; do
    if answer=$(cd "$1" && env -u GOFLAGS GOWORK=off go mod download -json "$module@$version" 2>"$1/.error"); then break; fi
    { cat "$1/.error"; echo "$answer"; } | nameless >"$state/$name/fetch.log"
    [ "$try" != 3 ] || { fail "go could not fetch it; its log is $state/$name/fetch.log"; return; }
    sleep 3
  done
  rm -f "$1/.error"
  folder=$(sed -nE 's/^\t"Dir": "(.*)",?$/\1/p' <<<"$answer")
  sed -nE 's/^\t"Sum": "(.*)",?$/\1/p' <<<"$answer" | sed "s#\$#  $name/$module@$version#" >"$1/module"
  if [ -z "${pinning:-}" ] && [ "$(cat "$1/module")" != "$(pinned)" ]; then
    fail "the module's hash is not what infra/engines/checksums pins"
    return
  fi
  if ! (cd "$folder" && env -u GOFLAGS -u GOOS -u GOARCH GOWORK=off CGO_ENABLED=0 \
    go build -mod=readonly -trimpath -buildvcs=false -ldflags='-s -w' -o "$1/versitygw" ./cmd/versitygw) 2>&1 |
    nameless >"$state/$name/fetch.log"; then
    fail "it could not be built; the log is $state/$name/fetch.log"
    return
  fi
  (cd "$1" && sha256sum versitygw >built)
}

# The binary is not pinned, since each version of Go makes another: its sum only says
# that it is the one that was built.
listing() { (cd "$1" && sha256sum --check --quiet built >&2 && cat module); }

prepare() {
  local region=$test_region
  exported=("ROOT_ACCESS_KEY=$test_key" "ROOT_SECRET_KEY=$test_secret")
  if own_keys; then
    region=${AWS_REGION:-$region}
    exported=("ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID" "ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY")
  fi
  mkdir "$data/objects" "$data/accounts"
  line=("$dist/versitygw" --port "127.0.0.1:$port" --region "$region" --keep-alive --quiet
    --health /healthz --iam-dir "$data/accounts" posix)
  # An upload of several hundred parts has more metadata than ext4 takes as attributes
  # of a file, and fails at its very end. A folder for it takes any; but then an object
  # and its metadata are not replaced at one stroke, as readers of S3 may expect.
  if [[ ${ENGINES_S3_LARGE:-} == true ]]; then
    mkdir "$data/metadata"
    line+=(--sidecar "$data/metadata")
  fi
  line+=("$data/objects")
}

ready() { [[ $(get /healthz) == 'HTTP/1.'?' 200'* ]]; }
