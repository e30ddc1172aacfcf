;; floods the log and the progress: lines, nothing, control characters, all of its memory
(module
  (import "lestats_v1" "log" (func $log (param i32 i32 i32)))
  (import "lestats_v1" "progress" (func $progress (param i64 i64)))
  (memory (export "memory") 800)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $lines $nothing $controls $large $outside $wraps $progresses))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000002a6)) ;; 678 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $lines (result i64) (loop $l (call $log (i32.const 1) (i32.const 0x400) (i32.const 100)) (br $l)) (i64.const 0))
  (func $nothing (result i64) (loop $l (call $log (i32.const -1) (i32.const 0) (i32.const 0)) (br $l)) (i64.const 0))
  (func $controls (result i64) (loop $l (call $log (i32.const 3) (i32.const 0x8000) (i32.const 30)) (br $l)) (i64.const 0))
  (data (i32.const 0x8000) "\0d\0alevel=ERROR msg=forged\1b[2J\ff\fe")
  (func $large (result i64) (loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 0x3000000)) (br $l)) (i64.const 0))
  (func $outside (result i64) (call $log (i32.const 1) (i32.const 0x3200000) (i32.const 1)) (i64.const 0))
  (func $wraps (result i64) (call $log (i32.const 1) (i32.const -1) (i32.const -1)) (i64.const 0))
  (func $progresses (result i64) (loop $l (call $progress (i64.const -1) (i64.const 0)) (br $l)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"flood\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"lines\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"nothing\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"controls\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"large\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"wraps\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"progresses\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
