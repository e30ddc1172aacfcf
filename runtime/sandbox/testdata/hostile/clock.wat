;; waits for the clock: reads it until an hour has passed, sleeps for years, asks where it cannot be written to
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $read $reads $sleep $sleeps $outside $flood))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000245)) ;; 581 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $now (result i64) (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 0x8000))) (i64.load (i32.const 0x8000)))
  (func $read (result i64) (call $now))
  (func $reads (result i64) (local $end i64)
    (local.set $end (i64.add (call $now) (i64.const 3600000000000)))
    (loop $l (br_if $l (i64.lt_u (call $now) (local.get $end)))) (i64.const 0))
  (func $sleep (result i64) (local $was i64)
    (local.set $was (call $now))
    (i64.store (i32.const 0x8118) (i64.const 0x7000000000000000))
    (drop (call $poll (i32.const 0x8100) (i32.const 0x8200) (i32.const 1) (i32.const 0x8300)))
    (i64.sub (call $now) (local.get $was)))
  (func $sleeps (result i64) (loop $l (drop (call $sleep)) (br $l)) (i64.const 0))
  (func $outside (result i64) (i64.extend_i32_u (i32.add
    (call $clock (i32.const 0) (i64.const 0) (i32.const -1))
    (i32.add (call $poll (i32.const 0) (i32.const -1) (i32.const 1) (i32.const -1)) (call $poll (i32.const -1) (i32.const 0) (i32.const -1) (i32.const 0))))))
  ;; 1,024 waits at once, without end
  (func $flood (result i64) (loop $l (drop (call $poll (i32.const 0x8000) (i32.const 0x18000) (i32.const 1024) (i32.const 0x7000))) (br $l)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"clock\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"read\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"reads\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"sleep\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"sleeps\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"flood\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
