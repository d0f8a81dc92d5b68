# shellcheck shell=bash disable=SC2034
# Sets cache to the folder that keeps what the scripts of infra fetch.
if [ -n "${ENGINES_CACHE:-}" ]; then
  # Absolute, since the scripts change their folder.
  mkdir -p "$ENGINES_CACHE" 2>/dev/null || true
  cache=$(cd "$ENGINES_CACHE" 2>/dev/null && pwd || echo "$ENGINES_CACHE")
elif [ "$(id -u)" = 0 ]; then
  # Not below root's own folder: OpenSearch runs as another user then, who cannot enter it.
  cache=/var/cache/oipnode-engines
else
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/oipnode-engines
fi
