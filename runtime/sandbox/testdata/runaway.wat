;; runs away while it answers, in the way that the question names
(module
  (import "lestats_v1" "log" (func $log (param i32 i32 i32)))
  (import "lestats_v1" "progress" (func $progress (param i64 i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 256)
  (table funcref (elem $spin $tree $recurse $fill $progresses $logs $randoms $writes $works))
  (global $top (mut i32) (i32.const 0x10000))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x4000000034f)) ;; 847 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $works (result i64) (i64.const 1))
  (func $spin (result i64) (loop $l (br $l)) (i64.const 0))
  ;; without a loop: each level calls the next one twice, 60 levels deep
  (func $tree (result i64) (call $level (i32.const 60)) (i64.const 0))
  (func $level (param $n i32)
    (if (local.get $n) (then
      (call $level (i32.sub (local.get $n) (i32.const 1)))
      (call $level (i32.sub (local.get $n) (i32.const 1))))))
  (func $recurse (result i64) (i64.add (call $recurse) (i64.const 1)))
  (func $fill (result i64) (loop $l (memory.fill (i32.const 0x20000) (i32.const 1) (i32.const 0xf00000)) (br $l)) (i64.const 0))
  (func $progresses (result i64) (loop $l (call $progress (i64.const 1) (i64.const 2)) (br $l)) (i64.const 0))
  (func $logs (result i64) (loop $l (call $log (i32.const 1) (i32.const 0x3000) (i32.const 100)) (br $l)) (i64.const 0))
  (func $randoms (result i64) (loop $l (drop (call $random (i32.const 0x20000) (i32.const 0xf00000))) (br $l)) (i64.const 0))
  (func $writes (result i64)
    (i32.store (i32.const 0x3300) (i32.const 0x20000))
    (i32.store (i32.const 0x3304) (i32.const 0xf00000))
    (loop $l (drop (call $write (i32.const 1) (i32.const 0x3300) (i32.const 1) (i32.const 0x3310))) (br $l)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"runaway\",\"version\":\"1.0.0\",\"columns\":[],\"questions\":["
    "{\"name\":\"spin\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"tree\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"recurse\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"fill\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"progress\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"log\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"random\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"write\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"works\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
