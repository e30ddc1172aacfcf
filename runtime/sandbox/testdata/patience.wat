;; waits in every call, and looks at both clocks before and after: answers with how often one went back
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const 0x10000))
  (global $last (mut i64) (i64.const 0)) ;; what a clock showed
  (global $back (mut i64) (i64.const 0)) ;; how often one showed less
  (func $look (param $id i32) (local $now i64)
    (drop (call $clock (local.get $id) (i64.const 1) (i32.const 0x1000)))
    (local.set $now (i64.load (i32.const 0x1000)))
    (if (i64.lt_s (local.get $now) (global.get $last)) (then
      (global.set $back (i64.add (global.get $back) (i64.const 1)))))
    (global.set $last (local.get $now)))
  (func $wait (param $time i64) (param $absolute i32)
    (call $look (i32.const 0))
    (call $look (i32.const 1))
    (i64.store (i32.const 0x1118) (local.get $time)) ;; a subscription at 0x1100
    (i32.store16 (i32.const 0x1128) (local.get $absolute))
    (if (call $poll (i32.const 0x1100) (i32.const 0x1200) (i32.const 1) (i32.const 0x1300)) (then (unreachable)))
    (call $look (i32.const 0))
    (call $look (i32.const 1)))
  (func (export "_initialize")
    (call $wait (i64.const 94608000000000000) (i32.const 0))) ;; three years
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64)
    (call $wait (i64.const 94608000000000000) (i32.const 0))
    (i64.const 0x400000000a3)) ;; 163 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64)
    (call $wait (i64.const 94608000000000000) (i32.const 0))
    (call $wait (i64.const 1) (i32.const 1)) ;; long ago
    (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64)
    (call $wait (i64.const 94608000000000000) (i32.const 0))
    (call $wait (i64.const 0x7ffffffffffffff0) (i32.const 1))
    (call $wait (i64.const -1) (i32.const 0))
    (call $wait (i64.const -1) (i32.const 1))
    (i64.store (i32.const 0x3100) (global.get $back))
    (i64.const 0x0000300000000020))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3040
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3040) ;; Table: kind, one row, one column, its stride, at 0x3080
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\80\30\00\00")
  (data (i32.const 0x3088) ;; Column: integers, flags, data at 0x3100
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"patience\",\"version\":\"1.0.0\",\"columns\":[],\"questions\":[{\"name\":\"patience\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"times_back\",\"type\":\"integer\"}]}}]}")
)
