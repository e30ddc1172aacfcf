;; makes each access as slow as can be: a page never touched, a line far away, numbers that take long
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $pages $lines $denormal $divide $root))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000001ee)) ;; 494 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $pages (result i64) (local $at i32)
    (drop (memory.grow (i32.const 1000)))
    (loop $l (i32.store offset=0x10000 (local.get $at) (i32.const 1))
      (local.set $at (i32.rem_u (i32.add (local.get $at) (i32.const 4096)) (i32.const 0x3e80000))) (br $l)) (i64.const 0))
  (func $lines (result i64) (local $at i32) (local $n i64)
    (drop (memory.grow (i32.const 1000)))
    (loop $l (local.set $n (i64.add (local.get $n) (i64.load offset=0x10000 (i32.and (local.get $at) (i32.const 0x1ffffc0)))))
      (local.set $at (i32.add (i32.mul (local.get $at) (i32.const 1664525)) (i32.const 1013904223))) (br $l)) (local.get $n))
  (func $denormal (result i64) (local $x f64) (local.set $x (f64.const 0x1p-1060))
    (loop $l (local.set $x (f64.mul (f64.add (local.get $x) (f64.const 0x1p-1061)) (f64.const 0x0.8p0))) (br $l)) (i64.const 0))
  (func $divide (result i64) (local $n i64) (local.set $n (i64.const -1))
    (loop $l (local.set $n (i64.or (i64.div_u (i64.const -3) (i64.rem_u (local.get $n) (i64.const 0x123456789))) (i64.const 1))) (br $l)) (local.get $n))
  (func $root (result i64) (local $x f64)
    (loop $l (local.set $x (f64.sqrt (f64.sqrt (f64.sqrt (f64.add (local.get $x) (f64.const 2)))))) (br $l)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"cold\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"pages\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"lines\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"denormal\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"divide\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"root\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
