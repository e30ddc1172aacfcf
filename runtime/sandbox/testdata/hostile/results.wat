;; returns results that overlap themselves, or that take the host long to check
(module
  (memory (export "memory") 160)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $itself $dictionary $codes $offsets $alike $empty $many))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000398)) ;; 920 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (call_indirect (param i32) (result i64) (local.get $r) (i32.load offset=8 (local.get $r))))
  (func $column (param $at i32) (param $type i32) (param $data i32) (param $len i32)
    (i32.store offset=8 (local.get $at) (local.get $type)) (i32.store offset=16 (local.get $at) (local.get $data)) (i32.store offset=20 (local.get $at) (local.get $len)))
  (func $table (param $rows i32) (param $codes i32) (param $numbers i32) (param $entries i32) (param $offsets i32) (param $bytes i32) (param $len i32) (result i64)
    (i32.store (i32.const 0x3024) (local.get $rows))
    (call $column (i32.const 0x3040) (i32.const 3) (local.get $codes) (i32.shl (local.get $rows) (i32.const 2)))
    (call $column (i32.const 0x3080) (i32.const 2) (local.get $numbers) (i32.shl (local.get $rows) (i32.const 3)))
    (i32.store (i32.const 0x3064) (local.get $entries)) (i32.store (i32.const 0x3068) (local.get $offsets))
    (i32.store (i32.const 0x306c) (local.get $bytes)) (i32.store (i32.const 0x3070) (local.get $len))
    (i64.const 0x0000300000000020))
  ;; everything lies at the response's own address
  (func $itself (param i32) (result i64) (call $table (i32.const 4) (i32.const 0x3000) (i32.const 0x3000) (i32.const 4) (i32.const 0x3000) (i32.const 0x3000) (i32.const 64)))
  ;; offsets are codes, and bytes of the text as well
  (func $dictionary (param i32) (result i64) (call $table (i32.const 3) (i32.const 0x8000) (i32.const 0x8000) (i32.const 3) (i32.const 0x8000) (i32.const 0x8000) (i32.const 3)))
  (data (i32.const 0x8000) "\00\00\00\00\01\00\00\00\02\00\00\00\03\00\00\00")
  (func $codes (param i32) (result i64) (call $table (i32.const 8) (i32.const 0x3000) (i32.const 0x8000) (i32.const 3) (i32.const 0x8000) (i32.const 0x8000) (i32.const 3)))
  (func $offsets (param i32) (result i64) (call $table (i32.const 1) (i32.const 0x8000) (i32.const 0x8000) (i32.const 3) (i32.const 0x8004) (i32.const 0x8000) (i32.const 3)))
  ;; 150,000 rows of two keys of 500 KB that differ in their last byte: slow to compare
  (func $alike (param i32) (result i64) (local $i i32)
    (memory.fill (i32.const 0x100000) (i32.const 97) (i32.const 1000000))
    (i32.store8 (i32.const 0x17a11f) (i32.const 98))
    (i32.store (i32.const 0x8014) (i32.const 500000)) (i32.store (i32.const 0x8018) (i32.const 1000000))
    (loop $l
      (i32.store offset=0x200000 (local.get $i) (i32.and (i32.shr_u (i32.mul (local.get $i) (i32.const 0x9e3779b1)) (i32.const 20)) (i32.const 1)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 600000))))
    (call $table (i32.const 150000) (i32.const 0x200000) (i32.const 0x300000) (i32.const 2) (i32.const 0x8010) (i32.const 0x100000) (i32.const 1000000)))
  ;; a million entries without a byte in them
  (func $empty (param i32) (result i64) (call $table (i32.const 1) (i32.const 0x8000) (i32.const 0x8000) (i32.const 1000000) (i32.const 0x100000) (i32.const 0x8000) (i32.const 0)))
  (func $many (param i32) (result i64) (call $table (i32.const 1000000) (i32.const 0x100000) (i32.const 0x100000) (i32.const 1) (i32.const 0x800c) (i32.const 0) (i32.const 0)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\02\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"results\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"itself\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"dictionary\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"codes\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"offsets\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"alike\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"empty\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"many\",\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
