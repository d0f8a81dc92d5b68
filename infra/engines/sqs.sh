# shellcheck shell=bash disable=SC2015,SC2016,SC2030,SC2031,SC2034,SC2054,SC2154
# Part of the script engines: ElasticMQ, a queue server that speaks the protocol of
# SQS. Queues live in memory.
version=1.7.1
patience=60

needs() { jdk 17 99 java || echo "Java 17 or later"; }

fetch_needs() { command -v mvn >/dev/null || echo "mvn (maven)"; }

fetch() { maven "$1" all "org.elasticmq:elasticmq-server_3:$version:jar"; }

listing() { files "$1"; }

prepare() {
  jdk 17 99 java
  cat >"$data/elasticmq.conf" <<CONFIGURATION
node-address { protocol = http, host = "127.0.0.1", port = $port, context-path = "" }
rest-sqs { enabled = true, bind-hostname = "127.0.0.1", bind-port = $port, sqs-limits = strict }
rest-stats { enabled = false }
aws { region = "$test_region", accountId = "000000000000" }
CONFIGURATION
  line=("$java_home/bin/java" -Xms32m -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData
    -Djava.io.tmpdir="$data/tmp" -Dconfig.file="$data/elasticmq.conf" -cp "$dist/*" org.elasticmq.server.Main)
}

ready() { [[ $(get /health) == 'HTTP/1.'?' 200'* ]]; }
