;; tries to remember in what no host can put back: tables, dropped segments, a reference
(module
  (memory (export "memory") 2)
  (table $t 3 8 funcref)
  (elem (table $t) (i32.const 0) func $look $one $one)
  (elem $spare func $two)
  (data $passive "abcdefgh")
  (global $top (mut i32) (i32.const 0x20000))
  (global $block (mut i32) (i32.const 0))
  (global $v (mut funcref) (ref.null func))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32) (local $have i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.set $have (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (global.get $top) (local.get $have)) (then
      (if (i32.lt_s (memory.grow (i32.shr_u (i32.add (i32.sub (global.get $top) (local.get $have)) (i32.const 0xffff)) (i32.const 16))) (i32.const 0)) (then
        (return (i32.const 0))))))
    (if (i32.eq (local.get $align) (i32.const 0x10000)) (then (global.set $block (local.get $p))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000000bd)) ;; 189 bytes at 0x400
  ;; what open changes is there in every job
  (func (export "lestats_v1_open") (param i32 i32) (result i64)
    (table.set $t (i32.const 2) (ref.func $two))
    (global.set $v (ref.func $two))
    (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $one (result i64) (i64.const 1))
  (func $two (result i64) (i64.const 2))
  (func $count (param $n i64) (param $is i32) (result i64) (i64.add (local.get $n) (i64.extend_i32_u (local.get $is))))
  (func $look (result i64) (local $n i64)
    (local.set $n (call $count (local.get $n) (i64.ne (call_indirect (result i64) (i32.const 1)) (i64.const 1))))
    (local.set $n (call $count (local.get $n) (i64.ne (call_indirect (result i64) (i32.const 2)) (i64.const 2))))
    (local.set $n (call $count (local.get $n) (i32.ne (table.size $t) (i32.const 3))))
    (local.set $n (call $count (local.get $n) (ref.is_null (global.get $v))))
    (memory.init $passive (i32.const 0x8000) (i32.const 0) (i32.const 8)) ;; traps where it was dropped
    (table.init $t $spare (i32.const 1) (i32.const 0) (i32.const 1)) ;; so does this
    (data.drop $passive)
    (elem.drop $spare)
    (drop (table.grow $t (ref.func $two) (i32.const 2)))
    (global.set $v (ref.null func))
    (local.get $n))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"remember_tables\",\"version\":\"1.0.0\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],\"questions\":["
    "{\"name\":\"look\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
