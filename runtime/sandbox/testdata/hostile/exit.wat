;; calls proc_exit while it answers: at once, from deep within, with each code, after it grew
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $zero $deep $most $grown))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000191)) ;; 401 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $zero (result i64) (call $exit (i32.const 0)) (i64.const 0))
  (func $deep (result i64) (call $down (i32.const 1000)) (i64.const 0))
  (func $down (param $n i32) (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)))) (else (call $exit (i32.const 1)))))
  (func $most (result i64) (call $exit (i32.const -1)) unreachable)
  (func $grown (result i64) (drop (memory.grow (i32.const 100))) (i32.store (i32.const 0x600000) (i32.const 1)) (call $exit (i32.const 2)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"exit\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"zero\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"deep\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"most\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"grown\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
