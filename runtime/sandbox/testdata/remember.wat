;; tries to remember: each job counts what an earlier one has left, and then leaves something everywhere
(module
  (import "lestats_v1" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 2)
  (table funcref (elem $look $trap $exit $sprawl))
  (global $top (mut i32) (i32.const 0x20000))
  (global $block (mut i32) (i32.const 0))
  (global $pages (mut i32) (i32.const 0)) ;; as of open
  (global $a (mut i32) (i32.const -7))
  (global $b (mut i64) (i64.const 0x7000000000000001))
  (global $c (mut f32) (f32.const -0.5))
  (global $d (mut f64) (f64.const 1e300))
  (global $random8 (mut i64) (i64.const 0)) ;; what the first job got
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32) (local $have i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.set $have (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (global.get $top) (local.get $have)) (then
      (if (i32.lt_s (memory.grow (i32.shr_u (i32.add (i32.sub (global.get $top) (local.get $have)) (i32.const 0xffff)) (i32.const 16))) (i32.const 0)) (then
        (return (i32.const 0))))))
    (if (i32.eq (local.get $align) (i32.const 0x10000)) (then (global.set $block (local.get $p))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000001ba)) ;; 442 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64)
    (global.set $pages (memory.size))
    (global.set $b (i64.const 0x7000000000000002))
    (i64.store (i32.const 0x8000) (i64.const 11))
    (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $count (param $n i64) (param $is i32) (result i64) (i64.add (local.get $n) (i64.extend_i32_u (local.get $is))))
  (func $look (result i64) (local $n i64) (local $end i32)
    (local.set $n (call $count (local.get $n) (i32.ne (global.get $a) (i32.const -7))))
    (local.set $n (call $count (local.get $n) (i64.ne (global.get $b) (i64.const 0x7000000000000002))))
    (local.set $n (call $count (local.get $n) (f32.ne (global.get $c) (f32.const -0.5))))
    (local.set $n (call $count (local.get $n) (f64.ne (global.get $d) (f64.const 1e300))))
    (local.set $n (call $count (local.get $n) (i32.ne (memory.size) (global.get $pages))))
    (local.set $n (call $count (local.get $n) (i64.ne (i64.load (i32.const 0x8000)) (i64.const 11))))
    (local.set $n (call $count (local.get $n) (i64.ne (i64.load (i32.const 0x1fff8)) (i64.const 0))))
    (local.set $n (call $count (local.get $n) (f64.ne (f64.load (global.get $block)) (f64.const 1))))
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 0x9000)))
    (local.set $n (call $count (local.get $n) (i64.ne (i64.load (i32.const 0x9000)) (i64.const 1609459200000000000))))
    (local.set $end (i32.shl (memory.size) (i32.const 16)))
    (if (i32.ge_s (memory.grow (i32.const 3)) (i32.const 0)) (then
      (local.set $n (call $count (local.get $n) (i64.ne (i64.load (local.get $end)) (i64.const 0))))
      (local.set $n (call $count (local.get $n) (i64.ne (i64.load offset=0x2fff8 (local.get $end)) (i64.const 0))))
      (i64.store (local.get $end) (i64.const -1))
      (i64.store offset=0x2fff8 (local.get $end) (i64.const -1))))
    (call $spoil)
    (local.get $n))
  (func $spoil
    (global.set $a (i32.const 1))
    (global.set $b (i64.const 2))
    (global.set $c (f32.const 3))
    (global.set $d (f64.const 4))
    (global.set $pages (i32.const 5))
    (memory.fill (i32.const 0x8000) (i32.const 0xee) (i32.const 0x17ff0))
    (i64.store (i32.const 0x1fff8) (i64.const -1))
    (memory.fill (global.get $block) (i32.const 0xee) (i32.const 0x10000)) ;; the column
    (drop (call $random (i32.const 0x9100) (i32.const 24)))
    (i32.store (i32.const 0x9200) (i32.const 0x9100)) ;; begins a line that is never ended
    (i32.store (i32.const 0x9204) (i32.const 24))
    (drop (call $write (i32.const 1) (i32.const 0x9200) (i32.const 1) (i32.const 0x9300)))
    (global.set $top (i32.const 0x30000)))
  (func $trap (result i64) (call $spoil) unreachable)
  (func $exit (result i64) (call $spoil) (call $proc_exit (i32.const 0)) (i64.const 0))
  ;; grows by 256 pages and leaves something in each, then grows until it may not
  (func $sprawl (result i64) (local $n i64) (local $at i32)
    (local.set $n (call $look))
    (local.set $at (i32.shl (memory.size) (i32.const 16)))
    (if (i32.lt_s (memory.grow (i32.const 256)) (i32.const 0)) (then unreachable))
    (loop $next
      (local.set $n (call $count (local.get $n) (i64.ne (i64.load (local.get $at)) (i64.const 0))))
      (i64.store (local.get $at) (i64.const -1))
      (local.set $at (i32.add (local.get $at) (i32.const 0x1000)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16)))))
    (loop $grow (br_if $grow (i32.ge_s (memory.grow (i32.const 64)) (i32.const 0))))
    (local.get $n))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"remember\",\"version\":\"1.0.0\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],\"questions\":["
    "{\"name\":\"look\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"trap\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"exit\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"sprawl\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
