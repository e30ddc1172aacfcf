#!/bin/sh
# Says which .wasm of this folder is not what its .wat compiles to, or has none.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$here"/compile.sh "$fresh"
bad=0
for wasm in "$here"/*.wasm "$here"/hostile/*.wasm "$fresh"/*.wasm "$fresh"/hostile/*.wasm; do
	name=${wasm#"$here"/}
	name=${name#"$fresh"/}
	if ! cmp -s "$here/$name" "$fresh/$name"; then
		echo "runtime/sandbox/testdata/$name is out of date: run go generate ./runtime/sandbox" >&2
		bad=1
	fi
done
exit $bad
