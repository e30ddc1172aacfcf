;; grows, fills, copies and initialises tables without end
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $grow $fill $copy $init $wide $outside))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000241)) ;; 577 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (table $a 10 funcref)
  (table $b 10 externref)
  (elem $e func $grow $fill $copy $init)
  ;; until it may not, then it asks on
  (func $grow (result i64) (loop $l (drop (table.grow $a (ref.func $grow) (i32.const 1000))) (drop (table.grow $b (ref.null extern) (i32.const 1000))) (br $l)) (i64.const 0))
  (func $fill (result i64)
    (drop (table.grow $a (ref.null func) (i32.const 100000)))
    (loop $l (table.fill $a (i32.const 0) (ref.func $fill) (i32.const 100000)) (br $l)) (i64.const 0))
  (func $copy (result i64)
    (drop (table.grow $a (ref.null func) (i32.const 100000)))
    (loop $l (table.copy $a $a (i32.const 1) (i32.const 0) (i32.const 100000)) (br $l)) (i64.const 0))
  (func $init (result i64) (loop $l (table.init $a $e (i32.const 0) (i32.const 0) (i32.const 4)) (br $l)) (i64.const 0))
  (func $wide (result i64) (i64.extend_i32_s (table.grow $a (ref.null func) (i32.const -1))))
  (func $outside (result i64) (table.fill $a (i32.const 0) (ref.null func) (i32.const -1)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"tables\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"grow\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"fill\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"copy\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"init\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"wide\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
