;; a plugin that does what it should: it echoes, sums and tells what it was asked
(module
  ;; Request: 8 question, 20 params, 24 range count, 28 ranges, 32 rows. Param: stride 32, 8 count, 12 values.
  (memory (export "memory") 1)
  (global $directory (mut i32) (i32.const 0))
  (global $top (mut i32) (i32.const 0x10000))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32) (local $have i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.set $have (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (global.get $top) (local.get $have)) (then
      (if (i32.lt_s (memory.grow (i32.shr_u (i32.add (i32.sub (global.get $top) (local.get $have)) (i32.const 0xffff)) (i32.const 16))) (i32.const 0)) (then
        (return (i32.const 0))))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x4000000042d)) ;; 1069 bytes at 0x400
  (func (export "lestats_v1_open") (param $d i32) (param $len i32) (result i64)
    (global.set $directory (local.get $d))
    (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64)
    (block $kinds (block $list (block $sum (block $echo
      (br_table $echo $sum $list $kinds (i32.load offset=8 (local.get $r))))
      (call $echo) (return (i64.const 0x0000300000000020)))
      (call $sum (local.get $r)) (return (i64.const 0x0000300000000020)))
      (call $list (local.get $r)) (return (i64.const 0x0000300000000020)))
    (call $kinds (local.get $r))
    (i64.const 0x0000300000000020))
  ;; the dataset's own columns, all of their rows
  (func $echo
    (i32.store (i32.const 0x3024) (i32.load offset=8 (global.get $directory)))
    (i32.store (i32.const 0x3028) (i32.const 3))
    (i32.store (i32.const 0x3030) (i32.load offset=20 (global.get $directory))))
  ;; how many rows were selected, and the sum of their values
  (func $sum (param $r i32) (local $column i32) (local $range i32) (local $ranges i32) (local $i i32) (local $end i32) (local $sum f64)
    (local.set $column (i32.add (i32.load offset=20 (global.get $directory)) (i32.const 128)))
    (local.set $range (i32.load offset=28 (local.get $r)))
    (local.set $ranges (i32.load offset=24 (local.get $r)))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $ranges)))
      (local.set $i (i32.load (local.get $range)))
      (local.set $end (i32.add (local.get $i) (i32.load offset=4 (local.get $range))))
      (loop $row
        (if (call $present (local.get $column) (local.get $i)) (then
          (local.set $sum (f64.add (local.get $sum)
            (f64.load (i32.add (i32.load offset=16 (local.get $column)) (i32.shl (local.get $i) (i32.const 3))))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $row (i32.lt_u (local.get $i) (local.get $end))))
      (local.set $range (i32.add (local.get $range) (i32.const 8)))
      (local.set $ranges (i32.sub (local.get $ranges) (i32.const 1)))
      (br $next)))
    (i64.store (i32.const 0x3100) (i64.load32_u offset=32 (local.get $r)))
    (f64.store (i32.const 0x3108) (local.get $sum))
    (call $table (i32.const 1) (i32.const 2))
    (call $column (i32.const 0x3040) (i32.const 2) (i32.const 0x3100) (i32.const 8))
    (call $column (i32.const 0x3080) (i32.const 1) (i32.const 0x3108) (i32.const 8)))
  (func $present (param $column i32) (param $row i32) (result i32)
    (if (i32.eqz (i32.load offset=24 (local.get $column))) (then (return (i32.const 1))))
    (i32.and (i32.const 1) (i32.shr_u
      (i32.load8_u (i32.add (i32.load offset=24 (local.get $column)) (i32.shr_u (local.get $row) (i32.const 3))))
      (i32.and (local.get $row) (i32.const 7)))))
  ;; the values of the first parameter
  (func $list (param $r i32) (local $p i32)
    (local.set $p (i32.load offset=20 (local.get $r)))
    (call $table (i32.load offset=8 (local.get $p)) (i32.const 1))
    (call $column (i32.const 0x3040) (i32.const 2) (i32.load offset=12 (local.get $p)) (i32.shl (i32.load offset=8 (local.get $p)) (i32.const 3))))
  ;; kind and count of each of six parameters
  (func $kinds (param $r i32) (local $p i32) (local $i i32)
    (local.set $p (i32.load offset=20 (local.get $r)))
    (loop $next
      (i64.store (i32.add (i32.const 0x3100) (local.get $i)) (i64.load32_u (local.get $p)))
      (i64.store (i32.add (i32.const 0x3140) (local.get $i)) (i64.load32_u offset=8 (local.get $p)))
      (local.set $p (i32.add (local.get $p) (i32.const 32)))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 48))))
    (call $table (i32.const 6) (i32.const 2))
    (call $column (i32.const 0x3040) (i32.const 2) (i32.const 0x3100) (i32.const 48))
    (call $column (i32.const 0x3080) (i32.const 2) (i32.const 0x3140) (i32.const 48)))
  (func $table (param $rows i32) (param $columns i32)
    (i32.store (i32.const 0x3024) (local.get $rows))
    (i32.store (i32.const 0x3028) (local.get $columns))
    (i32.store (i32.const 0x3030) (i32.const 0x3040)))
  (func $column (param $at i32) (param $type i32) (param $data i32) (param $bytes i32)
    (i32.store offset=8 (local.get $at) (local.get $type))
    (i32.store offset=16 (local.get $at) (local.get $data))
    (i32.store offset=20 (local.get $at) (local.get $bytes)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride
    "\01\00\00\00" "\00\00\00\00" "\00\00\00\00" "\40\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"good\",\"version\":\"1.0.0\",\"title\":\"Good\","
    "\"columns\":[{\"name\":\"state\",\"type\":\"string\"},{\"name\":\"year\",\"type\":\"integer\"},{\"name\":\"value\",\"type\":\"number\"}],"
    "\"questions\":["
    "{\"name\":\"echo\",\"result\":{\"values\":[{\"name\":\"state\",\"type\":\"string\"},{\"name\":\"year\",\"type\":\"integer\",\"unit\":\"years\"},{\"name\":\"value\",\"type\":\"number\",\"title\":\"Value\",\"unit_of\":\"value\"}],\"chart\":\"bar\"}},"
    "{\"name\":\"sum\",\"params\":[{\"name\":\"state\",\"type\":\"column\",\"column\":\"state\",\"select\":true}],\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"rows\",\"type\":\"integer\"},{\"name\":\"sum\",\"type\":\"number\",\"unit_of\":\"value\"}]}},"
    "{\"name\":\"list\",\"params\":[{\"name\":\"n\",\"type\":\"integer\",\"list\":true,\"default\":[7,8]}],\"result\":{\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"kinds\",\"params\":[{\"name\":\"a\",\"type\":\"column\",\"column\":\"state\"},{\"name\":\"b\",\"type\":\"number\"},{\"name\":\"c\",\"type\":\"integer\"},{\"name\":\"d\",\"type\":\"choice\",\"choices\":[\"x\",\"y\"]},{\"name\":\"e\",\"type\":\"boolean\"},{\"name\":\"f\",\"type\":\"column\",\"column\":\"value\"}],"
    "\"result\":{\"values\":[{\"name\":\"kind\",\"type\":\"integer\"},{\"name\":\"count\",\"type\":\"integer\"}]}}"
    "]}")
)
