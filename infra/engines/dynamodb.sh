# shellcheck shell=bash disable=SC2015,SC2016,SC2030,SC2031,SC2034,SC2054,SC2154
# Part of the script engines: DynamoDB Local, Amazon's own engine for tests. Its
# licence allows the use and not the redistribution, so it is fetched by whoever runs
# the tests and never shipped.
#
# Not 3.x: there the stream's record of an item that the TTL removed has no
# userIdentity, or the item is never removed. It listens on every interface; it
# cannot be told otherwise.
version=2.6.1
patience=60

needs() {
  jdk 17 99 java || echo "Java 17 or later"
  # The engine's store is native code, which comes for this processor only.
  [ "$(uname -m)" = x86_64 ] || echo "an x86-64 processor"
}

fetch_needs() { command -v mvn >/dev/null || echo "mvn (maven)"; }

fetch() { maven "$1" all "com.amazonaws:DynamoDBLocal:$version:jar"; }

listing() { files "$1"; }

prepare() {
  jdk 17 99 java
  local place=(-inMemory)
  [ -z "${ENGINES_DURABLE:-}" ] || place=(-dbPath "$data")
  line=("$java_home/bin/java" -Xms64m -Xmx256m -XX:+UseSerialGC -XX:-UsePerfData -Djava.io.tmpdir="$data/tmp"
    -Djava.library.path="$dist" -Dsqlite4java.library.path="$dist" -cp "$dist/*"
    com.amazonaws.services.dynamodbv2.local.main.ServerRunner "${place[@]}" -sharedDb -disableTelemetry -port "$port")
}

# A request without a signature is refused, once requests are answered at all.
ready() { [[ $(get /) == 'HTTP/1.'?' 400'* ]]; }
