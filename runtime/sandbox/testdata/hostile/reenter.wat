;; calls its own exports and, through a table, the host
(module
  (import "lestats_v1" "log" (func $log (param i32 i32 i32)))
  (import "lestats_v1" "progress" (func $progress (param i64 i64)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $answers $describes $allocs $opens $initializes $host $deep))
  (func $alloc (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func $describe (export "lestats_v1_describe") (result i64) (i64.const 0x400000002a7)) ;; 679 bytes at 0x400
  (func $open (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func $answer (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (call_indirect (param i32) (result i64) (local.get $r) (i32.load offset=8 (local.get $r))))
  (table $t funcref (elem $log $progress $random $write))
  ;; its own answer, to the same request
  (func $answers (param $r i32) (result i64) (call $answer (local.get $r) (i32.const 0)))
  (func $describes (param i32) (result i64) (loop $l (drop (call $describe)) (br $l)) (i64.const 0))
  (func $allocs (param i32) (result i64) (loop $l (drop (call $alloc (i32.const 64) (i32.const 64))) (br $l)) (i64.const 0))
  (func $opens (param $r i32) (result i64) (drop (call $open (i32.const 0) (i32.const 0))) (i64.const 0x0000300000000020))
  (func $initializes (param i32) (result i64) (call $initialize) (i64.const 0x0000300000000020))
  (func $host (param i32) (result i64)
    (call_indirect $t (param i32 i32 i32) (i32.const 1) (i32.const 0x400) (i32.const 10) (i32.const 0))
    (call_indirect $t (param i64 i64) (i64.const -1) (i64.const -1) (i32.const 1))
    (drop (call_indirect $t (param i32 i32) (result i32) (i32.const 0x8000) (i32.const 8) (i32.const 2)))
    (drop (call_indirect $t (param i32 i32 i32 i32) (result i32) (i32.const 1) (i32.const -8) (i32.const 2) (i32.const -1) (i32.const 3)))
    (i64.const 0x0000300000000020))
  ;; calls the host from ever deeper
  (func $deep (param $r i32) (result i64) (call_indirect $t (param i64 i64) (i64.const 1) (i64.const 1) (i32.const 1)) (i64.add (call $deep (local.get $r)) (i64.const 1)))
  (func $initialize (export "_initialize") (global.set $top (i32.const 0xc000)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"reenter\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"answers\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"describes\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"allocs\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"opens\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"initializes\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"host\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"deep\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
