#!/bin/sh
# Compiles every .wat of this folder, and of hostile, to a .wasm in the folder $1
# (this one, where there is none). Needs wat2wasm, of wabt.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
mkdir -p "$out/hostile"
for wat in "$here"/*.wat "$here"/hostile/*.wat; do
	name=${wat#"$here"/}
	names=
	[ "$name" != named.wat ] || names=--debug-names
	wat2wasm $names --enable-threads --enable-memory64 --enable-multi-memory -o "$out/${name%.wat}.wasm" "$wat"
done
