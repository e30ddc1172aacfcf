;; writes memory by the gibibyte, by single instructions: in a straight line (22 times 48 MiB), in a loop, in a tree of calls
(module
  (memory (export "memory") 800)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $straight $gibibyte $forever $copy_up $copy_down $tree $small))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000002a6)) ;; 678 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $straight (result i64)
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (i64.const 0))
  ;; 1 GiB at once, which it does not have
  (func $gibibyte (result i64) (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x40000000)) (i64.const 0))
  (func $forever (result i64) (loop $l (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000)) (br $l)) (i64.const 0))
  (func $copy_up (result i64) (loop $l (memory.copy (i32.const 0x18000) (i32.const 0x10000) (i32.const 0x3000000)) (br $l)) (i64.const 0))
  (func $copy_down (result i64) (loop $l (memory.copy (i32.const 0x10000) (i32.const 0x18000) (i32.const 0x3000000)) (br $l)) (i64.const 0))
  (func $tree (result i64) (call $level (i32.const 60)) (i64.const 0))
  (func $level (param $n i32)
    (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x3000000))
    (if (local.get $n) (then
      (call $level (i32.sub (local.get $n) (i32.const 1)))
      (call $level (i32.sub (local.get $n) (i32.const 1))))))
  (func $small (result i64) (loop $l (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 4096)) (br $l)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"fill\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"straight\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"gibibyte\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"forever\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"copy_up\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"copy_down\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"tree\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"small\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
