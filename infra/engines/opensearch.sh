# shellcheck shell=bash disable=SC2015,SC2016,SC2030,SC2031,SC2034,SC2054,SC2154
# Part of the script engines: OpenSearch itself, one node. The registry has the server
# without its modules, and the modules as libraries; they are put together here as
# the project's own distribution does it.
version=2.19.6
patience=180
# Under this user and group the server runs for root, under whom it refuses to.
readonly server_uid=65534

# The modules: name | class of the plugin | the module that it extends | permissions |
# libraries, each GROUP:NAME:VERSION. The server's own libraries are not repeated.
readonly modules="
lang-painless|org.opensearch.painless.PainlessPlugin||createClassLoader getClassLoader|\
 org.opensearch.plugin:lang-painless:$version org.opensearch.plugin:opensearch-scripting-painless-spi:$version\
 org.antlr:antlr4-runtime:4.13.1 org.ow2.asm:asm:9.7 org.ow2.asm:asm-analysis:9.7 org.ow2.asm:asm-commons:9.7\
 org.ow2.asm:asm-tree:9.7 org.ow2.asm:asm-util:9.7
analysis-common|org.opensearch.analysis.common.CommonAnalysisPlugin|lang-painless||\
 org.opensearch.plugin:analysis-common:$version
reindex|org.opensearch.index.reindex.ReindexPlugin||connect|\
 org.opensearch.plugin:reindex-client:$version org.opensearch.client:opensearch-rest-client:$version\
 org.opensearch:opensearch-ssl-config:$version org.apache.httpcomponents:httpasyncclient:4.1.5\
 org.apache.httpcomponents:httpclient:4.5.14 org.apache.httpcomponents:httpcore:4.4.16\
 org.apache.httpcomponents:httpcore-nio:4.4.16 commons-codec:commons-codec:1.18.0 commons-logging:commons-logging:1.2
mapper-extras|org.opensearch.index.mapper.MapperExtrasPlugin|||\
 org.opensearch.plugin:mapper-extras-client:$version"

# 2.19 needs the security manager, which Java 24 has no more.
needs() {
  jdk 11 23 jar || echo "a JDK 11 to 23"
  [ "$(id -u)" != 0 ] || command -v setpriv >/dev/null || echo "setpriv (util-linux)"
}

fetch_needs() { command -v mvn >/dev/null || echo "mvn (maven)"; }

as_server() {
  other_user=()
  if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    other_user=(setpriv "--reuid=$server_uid" "--regid=$server_uid" --clear-groups --)
  fi
}

fetch() {
  local module class extends permissions libraries library artifacts=() folder=$1/server jar
  while IFS='|' read -r module class extends permissions libraries; do
    for library in $libraries; do artifacts+=("$library:jar"); done
  done <<<"$modules"
  mkdir "$1/artifacts"
  maven "$1/artifacts" alone "org.opensearch.distribution.integ-test-zip:opensearch:$version:zip" "${artifacts[@]}" || return
  files "$1/artifacts" >"$1/fetched"
  # Checked before it is unpacked; what was put together is checked as a whole again.
  if [ -z "${pinning:-}" ] && [ "$(LC_ALL=C sort "$1/fetched")" != "$(pinned | grep -v " $name/assembled$")" ]; then
    diff <(pinned) <(LC_ALL=C sort "$1/fetched") | sed -nE '/assembled$/d; s/^[<>] [^ ]+  /  differs: /p' | sort -u | head -n 5 >&2
    fail "what was fetched is not what infra/engines/checksums pins; nothing of it is kept"
    return
  fi
  jdk 11 23 jar
  (cd "$1" && "$java_home/bin/jar" xf "artifacts/opensearch-$version.zip") && mv "$1/opensearch-$version" "$folder" || {
    fail "the server's archive could not be unpacked"
    return
  }
  while IFS='|' read -r module class extends permissions libraries; do
    [ -n "$module" ] || continue
    mkdir "$folder/modules/$module"
    for library in $libraries; do
      IFS=: read -r _ jar library <<<"$library"
      cp "$1/artifacts/$jar-$library.jar" "$folder/modules/$module/"
    done
    describe >"$folder/modules/$module/plugin-descriptor.properties"
    policy >"$folder/modules/$module/plugin-security.policy"
  done <<<"$modules"
  rm -rf "$1/artifacts"
}

# describe prints what the server reads about the module.
describe() {
  printf '%s\n' "name=$module" "description=$module" "version=$version" "opensearch.version=$version" java.version=11 \
    "classname=$class" "extended.plugins=$extends" custom.foldername= has.native.controller=false
}

# policy prints what the module may do besides what all code may.
policy() {
  local permission
  echo 'grant {'
  for permission in $permissions; do
    case $permission in
      connect) echo '  permission java.net.SocketPermission "*", "connect";' ;;
      *) echo "  permission java.lang.RuntimePermission \"$permission\";" ;;
    esac
  done
  echo '};'
}

listing() {
  cat "$1/fetched"
  printf '%s  %s/assembled\n' "$(files "$1/server" | sha256sum | cut -d ' ' -f 1)" "$name"
}

prepare() {
  jdk 11 23 jar
  as_server
  mkdir "$data"/{config,index,logs}
  cat >"$data/config/opensearch.yml" <<CONFIGURATION
cluster.name: oipnode-$port
node.name: engine
path.data: $data/index
path.logs: $data/logs
network.host: 127.0.0.1
http.port: $port
transport.port: 0
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
CONFIGURATION
  cat >"$data/config/log4j2.properties" <<'CONFIGURATION'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %-25c{1.} [%node_name]%marker %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
CONFIGURATION
  line=("${other_user[@]}" "$java_home/bin/java" -Xms1g -Xmx1g -Xss1m -Xshare:auto -XX:+UseG1GC -XX:-UsePerfData
    -XX:ErrorFile="$data/logs/hs_err_%p.log" -Djava.io.tmpdir="$data/tmp" -Djna.tmpdir="$data/tmp" -Djna.nosys=true
    -Djava.awt.headless=true -Dfile.encoding=UTF-8 -Djava.locale.providers=SPI,COMPAT
    -Djava.util.concurrent.ForkJoinPool.common.threadFactory=org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory
    -Dlog4j.shutdownHookEnabled=false -Dlog4j2.disable.jmx=true
    -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0)
  [ "$java_major" -lt 18 ] || line+=(-Djava.security.manager=allow)
  [ "$java_major" -lt 20 ] || line+=(--add-modules=jdk.incubator.vector)
  line+=(-Dopensearch.path.home="$dist/server" -Dopensearch.path.conf="$data/config" -Dopensearch.distribution.type=zip
    -Dopensearch.bundled_jdk=false -cp "$dist/server/lib/*" org.opensearch.bootstrap.OpenSearch)
  [ ${#other_user[@]} = 0 ] && return
  chown -R "$server_uid:$server_uid" "$data"
  "${other_user[@]}" sh -c 'cd "$1" && test -w . && test -r "$2/server/lib"' _ "$data" "$dist" 2>/dev/null ||
    fail "the server runs as user $server_uid, who cannot enter $data or $dist"
}

ready() {
  [[ $(get '/_cluster/health?wait_for_status=yellow&timeout=2s') == *'"cluster_name":"oipnode-'"$port"'"'*'"status":"'@(yellow|green)'"'* ]]
}
