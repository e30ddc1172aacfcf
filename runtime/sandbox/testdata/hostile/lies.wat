;; lies in each field of its result
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $size $size_all $version $status $tables $tables_all $stride $stride_all $table_at $table_end $kind $rows_none $rows_all $rows_2_29 $columns $columns_all $column_stride $column_stride_all $columns_at $type $type_none $data_at $data_all $data_short $bitmap_at $nulls $error_at $error_text $error_code $error_forged))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000ad2)) ;; 2770 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $size (result i64) (i32.store (i32.const 0x3000) (i32.const 31)) (i64.const 0))
  (func $size_all (result i64) (i32.store (i32.const 0x3000) (i32.const -1)) (i64.const 0))
  (func $version (result i64) (i32.store (i32.const 0x3004) (i32.const 2)) (i64.const 0))
  (func $status (result i64) (i32.store (i32.const 0x3008) (i32.const 9)) (i64.const 0))
  (func $tables (result i64) (i32.store (i32.const 0x300c) (i32.const 0)) (i64.const 0))
  (func $tables_all (result i64) (i32.store (i32.const 0x300c) (i32.const -1)) (i64.const 0))
  (func $stride (result i64) (i32.store (i32.const 0x3010) (i32.const 0)) (i64.const 0))
  (func $stride_all (result i64) (i32.store (i32.const 0x3010) (i32.const -1)) (i64.const 0))
  (func $table_at (result i64) (i32.store (i32.const 0x3014) (i32.const -1)) (i64.const 0))
  (func $table_end (result i64) (i32.store (i32.const 0x3014) (i32.const 0xfff0)) (i64.const 0))
  (func $kind (result i64) (i32.store (i32.const 0x3020) (i32.const 2)) (i64.const 0))
  (func $rows_none (result i64) (i32.store (i32.const 0x3024) (i32.const 0)) (i64.const 0))
  (func $rows_all (result i64) (i32.store (i32.const 0x3024) (i32.const -1)) (i64.const 0))
  (func $rows_2_29 (result i64) (i32.store (i32.const 0x3024) (i32.const 0x20000000)) (i64.const 0))
  (func $columns (result i64) (i32.store (i32.const 0x3028) (i32.const 2)) (i64.const 0))
  (func $columns_all (result i64) (i32.store (i32.const 0x3028) (i32.const -1)) (i64.const 0))
  (func $column_stride (result i64) (i32.store (i32.const 0x302c) (i32.const 63)) (i64.const 0))
  (func $column_stride_all (result i64) (i32.store (i32.const 0x302c) (i32.const -1)) (i64.const 0))
  (func $columns_at (result i64) (i32.store (i32.const 0x3030) (i32.const -64)) (i64.const 0))
  (func $type (result i64) (i32.store (i32.const 0x3048) (i32.const 1)) (i64.const 0))
  (func $type_none (result i64) (i32.store (i32.const 0x3048) (i32.const 0)) (i64.const 0))
  (func $data_at (result i64) (i32.store (i32.const 0x3050) (i32.const 0xfff9)) (i64.const 0))
  (func $data_all (result i64) (i32.store (i32.const 0x3050) (i32.const -1)) (i64.const 0))
  (func $data_short (result i64) (i32.store (i32.const 0x3054) (i32.const 7)) (i64.const 0))
  (func $bitmap_at (result i64) (i32.store (i32.const 0x3058) (i32.const -1)) (i64.const 0))
  (func $nulls (result i64) (i32.store (i32.const 0x3060) (i32.const 1)) (i64.const 0))
  (func $error_at (result i64) (i32.store (i32.const 0x3008) (i32.const 1)) (i32.store (i32.const 0x3018) (i32.const -1)) (i64.const 0))
  (func $error (param $code i32) (param $text i32) (param $len i32)
    (i32.store (i32.const 0x3008) (i32.const 1)) (i32.store (i32.const 0x3018) (i32.const 0x3200))
    (i32.store (i32.const 0x3200) (i32.const 32)) (i32.store (i32.const 0x3204) (i32.const 1)) (i32.store (i32.const 0x3208) (local.get $code))
    (i32.store (i32.const 0x320c) (i32.const -1)) (i32.store (i32.const 0x3210) (local.get $text)) (i32.store (i32.const 0x3214) (local.get $len)))
  (func $error_text (result i64) (call $error (i32.const 1) (i32.const 1) (i32.const -1)) (i64.const 0))
  (func $error_code (result i64) (call $error (i32.const 99) (i32.const 0x3300) (i32.const 10)) (i64.const 0))
  ;; a reason of 32 KB that would forge lines of the log and move the cursor of a terminal
  (func $error_forged (result i64) (call $error (i32.const 1) (i32.const 0x3300) (i32.const 0x8000)) (i64.const 0))
  (data (i32.const 0x3300) "no\0d\0alevel=ERROR msg=forged\1b[2J\00\ff\fe\e2\80\ae")
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"lies\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"size\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"size_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"version\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"status\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"tables\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"tables_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"stride\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"stride_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table_at\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"table_end\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"kind\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"rows_none\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"rows_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"rows_2_29\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"columns\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"columns_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"column_stride\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"column_stride_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"columns_at\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"type\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"type_none\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"data_at\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"data_all\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"data_short\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"bitmap_at\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"nulls\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"error_at\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"error_text\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"error_code\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"error_forged\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
