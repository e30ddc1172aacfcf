;; never ends initialising
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $q))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000097)) ;; 151 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func (export "_initialize") (loop $l (br $l)))
  (func $q (result i64) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"initialize_spins\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"q\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
