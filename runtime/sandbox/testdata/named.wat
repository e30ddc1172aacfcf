;; has names for its functions: works, nests or traps while it answers, as the question says
(module
  (memory (export "memory") 1)
  (table funcref (elem $squares $paths $deep $trap))
  (global $top (mut i32) (i32.const 0x10000))
  (func $alloc (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000001b9)) ;; 441 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func $main.answer (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  ;; the squares of 1 to 10, each by ten turns of a loop at most
  (func $squares (result i64) (local $n i64) (local $sum i64)
    (loop $l
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (local.set $sum (i64.add (local.get $sum) (call $square (local.get $n))))
      (br_if $l (i64.lt_u (local.get $n) (i64.const 10))))
    (local.get $sum))
  (func $square (param $n i64) (result i64) (local $i i64) (local $sum i64)
    (loop $l
      (local.set $sum (i64.add (local.get $sum) (local.get $n)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $l (i64.lt_u (local.get $i) (local.get $n))))
    (local.get $sum))
  ;; takes 2^15 paths
  (func $paths (result i64) (call $left (i32.const 15)))
  (func $left (param $n i32) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 1))))
    (i64.add (call $left (i32.sub (local.get $n) (i32.const 1))) (call $right (i32.sub (local.get $n) (i32.const 1)))))
  (func $right (param $n i32) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 1))))
    (i64.add (call $left (i32.sub (local.get $n) (i32.const 1))) (call $right (i32.sub (local.get $n) (i32.const 1)))))
  ;; nests 1,000 calls
  (func $deep (result i64) (call $nest (i32.const 1000)))
  (func $nest (param $n i32) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
    (i64.add (call $nest (i32.sub (local.get $n) (i32.const 1))) (i64.const 1)))
  (func $trap (result i64) (call $_ZN6plugin5outer17h0123456789abcdefE (i64.const 0)))
  (func $_ZN6plugin5outer17h0123456789abcdefE (param $n i64) (result i64) (i64.add (call $inner (local.get $n)) (i64.const 1)))
  (func $inner (param $n i64) (result i64) (i64.div_u (i64.const 1) (local.get $n)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"named\",\"version\":\"1.0.0\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],\"questions\":["
    "{\"name\":\"squares\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"paths\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"deep\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"trap\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
