;; traps in each way; calls functions through a table as what they are not
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $unreachable_ $zero $overflow $remainder $nan $infinite $null $parameter $result $none $reference $swapped $host))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000004bc)) ;; 1212 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (table $t 4 funcref)
  (elem (table $t) (i32.const 1) func $one $two $clock)
  (func $one (result i64) (i64.const 1))
  (func $two (param i32 f32) (result i64) (i64.const 2))
  (func $unreachable_ (result i64) unreachable)
  (func $zero (result i64) (i64.div_s (i64.const 1) (i64.const 0)))
  (func $overflow (result i64) (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))
  (func $remainder (result i64) (i64.extend_i32_u (i32.rem_u (i32.const 1) (i32.const 0))))
  (func $nan (result i64) (i64.trunc_f64_s (f64.const nan)))
  (func $infinite (result i64) (i64.trunc_f64_u (f64.const inf)))
  (func $null (result i64) (call_indirect $t (result i64) (i32.const 0)))
  (func $parameter (result i64) (call_indirect $t (param i64) (result i64) (i64.const 1) (i32.const 1)))
  (func $result (result i64) (f64.store (i32.const 0x8000) (call_indirect $t (result f64) (i32.const 1))) (i64.const 0))
  (func $none (result i64) (call_indirect $t (i32.const 1)) (i64.const 0))
  (func $reference (result i64) (drop (call_indirect $t (result externref) (i32.const 1))) (i64.const 0))
  (func $swapped (result i64) (call_indirect $t (param f32 i32) (result i64) (f32.const 1) (i32.const 1) (i32.const 2)))
  (func $host (result i64) (call_indirect $t (param i32 i64 i32) (result i64) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 3)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"confuse\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"unreachable_\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"zero\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"overflow\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"remainder\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"nan\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"infinite\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"null\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"parameter\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"result\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"none\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"reference\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"swapped\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"host\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
