;; goes wrong while it answers, in the way that the question names
(module
  (import "lestats_v1" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $endless_loop $endless_calls $unreachable $divide $outside $grow $grow_and_give_up $recurse
    $exit $flood $stderr $randomly $clocks $global $memory $log_outside $large $table))
  (table $grows 1 funcref)
  (global $seen (mut i64) (i64.const 0))
  (global $top (mut i32) (i32.const 0x10000))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32) (local $have i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.set $have (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (global.get $top) (local.get $have)) (then
      (if (i32.lt_s (memory.grow (i32.shr_u (i32.add (i32.sub (global.get $top) (local.get $have)) (i32.const 0xffff)) (i32.const 16))) (i32.const 0)) (then
        (return (i32.const 0))))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000006a7)) ;; 1703 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  ;; each question is a fault of its own; what the function returns is the answer's one value, n
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $endless_loop (result i64) (loop $l (br $l)) (i64.const 0))
  ;; the loop is in the caller, and each call ends at once
  (func $endless_calls (result i64) (loop $l (call $nothing) (br $l)) (i64.const 0))
  (func $nothing)
  (func $unreachable (result i64) unreachable)
  (func $divide (result i64) (i64.div_s (i64.const 1) (i64.const 0)))
  (func $outside (result i64) (i64.load (i32.const 0x7fffffff)))
  ;; grows until it may not, and traps
  (func $grow (result i64)
    (loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
    unreachable)
  ;; grows until it may not, and takes it well
  (func $grow_and_give_up (result i64)
    (loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))))
    (i64.extend_i32_u (memory.size)))
  (func $recurse (result i64) (i64.add (call $recurse) (i64.const 1)))
  (func $exit (result i64) (call $exit_with_3) (i64.const 0))
  (func $exit_with_3 (call $proc_exit (i32.const 3)))
  ;; logs 100,000 lines, of bytes that are no UTF-8 and hold control characters
  (func $flood (result i64) (local $n i32)
    (loop $l
      (call $log (i32.const 2) (i32.const 0x3200) (i32.const 17))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 100000))))
    (i64.const 0))
  ;; tells on standard error why it is about to trap
  (func $stderr (result i64)
    (drop (call $write (i32.const 2) (i32.const 0x3220) (i32.const 1) (i32.const 0x3228)))
    unreachable)
  (func $randomly (result i64)
    (drop (call $random (i32.const 0x3300) (i32.const 8)))
    (i64.load (i32.const 0x3300)))
  (func $clocks (result i64)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 0x3308)))
    (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 0x3300)))
    (i64.load (i32.const 0x3300)))
  ;; counts in a global how often it was asked
  (func $global (result i64)
    (global.set $seen (i64.add (global.get $seen) (i64.const 1)))
    (global.get $seen))
  ;; counts in its memory, in a page of its own, how often it was asked
  (func $memory (result i64)
    (if (i32.eq (memory.size) (i32.const 3)) (then (drop (memory.grow (i32.const 1)))))
    (i64.store (i32.const 0x3308) (i64.add (i64.load (i32.const 0x3308)) (i64.const 1)))
    (i64.load (i32.const 0x3308)))
  (func $log_outside (result i64) (call $log (i32.const 0) (i32.const 0) (i32.const -1)) (i64.const 0))
  ;; states more rows than a result may have
  (func $large (result i64) (i32.store (i32.const 0x3024) (i32.const 0x20000000)) (i64.const 0))
  ;; grows a table, which is memory of the host's, until it may not
  (func $table (result i64)
    (loop $l (br_if $l (i32.ge_s (table.grow $grows (ref.null func) (i32.const 1000)) (i32.const 0))))
    (i64.extend_i32_u (table.size $grows)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x3200) "\1b[31mred\ff\c3 \00\0ablue")
  (data (i32.const 0x3220) "\40\32\00\00" "\19\00\00\00") ;; one vector: 25 bytes at 0x3240
  (data (i32.const 0x3240) "panic: out of patience\n  at")
  (data (i32.const 0x400)
    "{\"name\":\"faults\",\"version\":\"1.0.0\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],\"questions\":["
    "{\"name\":\"endless_loop\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"endless_calls\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"unreachable\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"divide\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"grow\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"grow_and_give_up\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"recurse\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"exit\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"flood\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"stderr\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"random\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"clock\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"global\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"memory\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"log_outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"large\",\"result\":{\"layout\":\"rows\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
