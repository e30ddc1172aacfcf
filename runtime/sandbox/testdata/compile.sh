#!/bin/sh
# Compiles every .wat of this folder to a .wasm in the folder $1 (this one, where
# there is none). Needs wat2wasm, of wabt.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
for wat in "$here"/*.wat; do
	wat2wasm --enable-threads --enable-memory64 --enable-multi-memory -o "$out/$(basename "$wat" .wat).wasm" "$wat"
done
