;; reads, writes and calls out of bounds with each instruction that can
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $load $load_last $load_offset $store $store_offset $fill $fill_all $copy_from $copy_to $init $init_to $table_get $call $table_init $table_copy $table_set))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000005d5)) ;; 1493 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (table $t 2 funcref)
  (elem $e func $load)
  (data $d "four")
  (func $load (result i64) (i64.load8_u (i32.const -1)))
  (func $load_last (result i64) (i64.load (i32.const 0xfff9)))
  (func $load_offset (result i64) (i64.load offset=0xffffffff (i32.const -1)))
  (func $store (result i64) (i64.store (i32.const 0xfff9) (i64.const 1)) (i64.const 0))
  (func $store_offset (result i64) (i32.store8 offset=0xffffffff (i32.const 1) (i32.const 1)) (i64.const 0))
  (func $fill (result i64) (memory.fill (i32.const 0xffff) (i32.const 1) (i32.const 2)) (i64.const 0))
  (func $fill_all (result i64) (memory.fill (i32.const 1) (i32.const 1) (i32.const -1)) (i64.const 0))
  (func $copy_from (result i64) (memory.copy (i32.const 0) (i32.const 0xffff) (i32.const 2)) (i64.const 0))
  (func $copy_to (result i64) (memory.copy (i32.const -1) (i32.const 0) (i32.const -1)) (i64.const 0))
  (func $init (result i64) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 5)) (i64.const 0))
  (func $init_to (result i64) (memory.init $d (i32.const 0xfffe) (i32.const 0) (i32.const 4)) (i64.const 0))
  (func $table_get (result i64) (i64.extend_i32_u (ref.is_null (table.get $attacks (i32.const 1000)))))
  (func $call (result i64) (call_indirect (result i64) (i32.const -1)))
  (func $table_init (result i64) (table.init $t $e (i32.const 1) (i32.const 0) (i32.const -1)) (i64.const 0))
  (func $table_copy (result i64) (table.copy $t $attacks (i32.const 0) (i32.const 1) (i32.const -1)) (i64.const 0))
  (func $table_set (result i64) (table.set $t (i32.const 2) (ref.null func)) (i64.const 0))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"outside\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"load\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"load_last\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"load_offset\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"store\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"store_offset\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"fill\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"fill_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"copy_from\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"copy_to\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"init\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"init_to\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table_get\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"call\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table_init\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table_copy\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table_set\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
