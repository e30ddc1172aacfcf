;; wants randomness: of its own, 1 GiB at once, 48 MiB without end, where it cannot be written to
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 800)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $some $gibibyte $forever $bytes $outside))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000001f3)) ;; 499 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $some (result i64) (drop (call $random (i32.const 0x8000) (i32.const 8))) (i64.load (i32.const 0x8000)))
  (func $gibibyte (result i64) (i64.extend_i32_u (call $random (i32.const 0) (i32.const 0x40000000))))
  (func $forever (result i64) (loop $l (drop (call $random (i32.const 0x10000) (i32.const 0x3000000))) (br $l)) (i64.const 0))
  (func $bytes (result i64) (loop $l (drop (call $random (i32.const 0x8000) (i32.const 0))) (br $l)) (i64.const 0))
  (func $outside (result i64) (i64.extend_i32_u (i32.add (call $random (i32.const -1) (i32.const 2)) (call $random (i32.const 0x10000) (i32.const -1)))))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"random\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"some\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"gibibyte\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"forever\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"bytes\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
