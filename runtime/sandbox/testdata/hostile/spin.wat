;; never ends, and calls nothing: loops of every kind
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks 8 funcref)
  (elem (i32.const 0) func $loop $nested $calls $indirect $table $local)
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000245)) ;; 581 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $loop (result i64) (loop $l (br $l)) (i64.const 0))
  (func $nested (result i64) (local $n i32)
    (loop $outer (local.set $n (i32.const 3)) (loop $inner (br_if $inner (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (br $outer)) (i64.const 0))
  ;; the loop is in the caller, and each call ends at once
  (func $calls (result i64) (loop $l (call $nothing) (br $l)) (i64.const 0))
  (func $nothing)
  (func $indirect (result i64) (loop $l (drop (call_indirect (result i64) (i32.const 6))) (br $l)) (i64.const 0))
  (func $zero (result i64) (i64.const 0))
  (elem (i32.const 6) func $zero)
  ;; as Go's compiler makes loops: a branch table, which ends in a loop's head
  (func $table (result i64) (local $n i32)
    (loop $l (block $a (block $b (block $c
      (br_table $a $b $c (i32.and (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3))))
      (br $l)) (br $l)) (br $l)) (i64.const 0))
  ;; a tight loop, which counts in a register
  (func $local (result i64) (local $n i64)
    (loop $l (local.set $n (i64.add (local.get $n) (i64.const 1))) (br_if $l (i64.ne (local.get $n) (i64.const -1)))) (local.get $n))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"spin\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"loop\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"nested\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"calls\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"indirect\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"local\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
