;; the mean of each location, as a lean guest computes it: the kernel of states_mean for the performance table
(module
  (memory (export "memory") 5)
  (global $top (mut i32) (i32.const 0x50000))
  (global $locations (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0)) ;; of locations
  (global $values (mut i32) (i32.const 0))
  (global $valid (mut i32) (i32.const 0))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32) (local $have i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.set $have (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (global.get $top) (local.get $have)) (then
      (if (i32.lt_s (memory.grow (i32.shr_u (i32.add (i32.sub (global.get $top) (local.get $have)) (i32.const 0xffff)) (i32.const 16))) (i32.const 0)) (then
        (return (i32.const 0))))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x4000000018d)) ;; 397 bytes at 0x400
  (func (export "lestats_v1_open") (param $d i32) (param $len i32) (result i64) (local $c i32)
    (local.set $c (i32.load offset=20 (local.get $d)))
    (global.set $locations (i32.load offset=16 (local.get $c)))
    (global.set $count (i32.load offset=36 (local.get $c)))
    (i32.store (i32.const 0x3064) (i32.load offset=36 (local.get $c))) ;; the result has the column's dictionary
    (i32.store (i32.const 0x3068) (i32.load offset=40 (local.get $c)))
    (i32.store (i32.const 0x306c) (i32.load offset=44 (local.get $c)))
    (i32.store (i32.const 0x3070) (i32.load offset=48 (local.get $c)))
    (global.set $values (i32.load offset=80 (local.get $c)))
    (global.set $valid (i32.load offset=88 (local.get $c)))
    (i64.const 0))
  ;; sums and counts, 16 bytes a location, at 0x10000; they are 0 when a job begins
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (local $range i32) (local $left i32) (local $row i32) (local $end i32) (local $sum i32) (local $code i32) (local $out i32)
    (local.set $range (i32.load offset=28 (local.get $r)))
    (local.set $left (i32.load offset=24 (local.get $r)))
    (block $done (loop $ranges
      (br_if $done (i32.eqz (local.get $left)))
      (local.set $row (i32.load (local.get $range)))
      (local.set $end (i32.add (local.get $row) (i32.load offset=4 (local.get $range))))
      (loop $rows
        (if (i32.and
              (i32.shr_u (i32.load8_u (i32.add (global.get $valid) (i32.shr_u (local.get $row) (i32.const 3)))) (i32.and (local.get $row) (i32.const 7)))
              (i32.const 1)) (then
          (local.set $sum (i32.shl (i32.load (i32.add (global.get $locations) (i32.shl (local.get $row) (i32.const 2)))) (i32.const 4)))
          (f64.store offset=0x10000 (local.get $sum)
            (f64.add (f64.load offset=0x10000 (local.get $sum)) (f64.load (i32.add (global.get $values) (i32.shl (local.get $row) (i32.const 3))))))
          (i64.store offset=0x10008 (local.get $sum) (i64.add (i64.load offset=0x10008 (local.get $sum)) (i64.const 1)))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br_if $rows (i32.lt_u (local.get $row) (local.get $end))))
      (local.set $range (i32.add (local.get $range) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $ranges)))
    (block $written (loop $each
      (br_if $written (i32.ge_u (local.get $code) (global.get $count)))
      (local.set $sum (i32.shl (local.get $code) (i32.const 4)))
      (if (i64.ne (i64.load offset=0x10008 (local.get $sum)) (i64.const 0)) (then
        (i32.store offset=0x20000 (i32.shl (local.get $out) (i32.const 2)) (local.get $code))
        (f64.store offset=0x30000 (i32.shl (local.get $out) (i32.const 3))
          (f64.div (f64.load offset=0x10000 (local.get $sum)) (f64.convert_i64_u (i64.load offset=0x10008 (local.get $sum)))))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))))
      (local.set $code (i32.add (local.get $code) (i32.const 1)))
      (br $each)))
    (i32.store (i32.const 0x3024) (local.get $out)) ;; rows
    (i32.store (i32.const 0x3054) (i32.shl (local.get $out) (i32.const 2)))
    (i32.store (i32.const 0x3094) (i32.shl (local.get $out) (i32.const 3)))
    (i64.const 0x0000300000000020))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, two columns, their stride, at 0x3040
    "\01\00\00\00" "\00\00\00\00" "\02\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: strings, flags, data at 0x20000
    "\03\00\00\00" "\01\00\00\00" "\00\00\02\00")
  (data (i32.const 0x3088) ;; Column: numbers, flags, data at 0x30000
    "\01\00\00\00" "\00\00\00\00" "\00\00\03\00")
  (data (i32.const 0x400)
    "{\"name\":\"lean\",\"version\":\"1.0.0\",\"columns\":[{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"value\",\"type\":\"number\"},{\"name\":\"question\",\"type\":\"string\"}],\"questions\":[{\"name\":\"lean_means\",\"params\":[{\"name\":\"question\",\"type\":\"column\",\"column\":\"question\",\"select\":true,\"required\":true}],\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"location\",\"type\":\"string\"}],\"values\":[{\"name\":\"mean\",\"type\":\"number\"}]}}]}")
)
