;; writes with absurd iovecs: 2^32-1 of them, 1,024 that are each all of its memory, empty, outside, together more than 4 GiB
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 800)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $many $huge $empty $outside $list_outside $result_outside $descriptor))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000002b0)) ;; 688 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (i64.store (i32.const 0x3100) (call_indirect (result i64) (i32.load offset=8 (local.get $r))))
    (i64.const 0x0000300000000020))
  (func $set (param $ptr i32) (param $len i32) (local $i i32)
    (loop $l
      (i32.store offset=0x8000 (local.get $i) (local.get $ptr)) (i32.store offset=0x8004 (local.get $i) (local.get $len))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 8192)))))
  (func $try (param $fd i32) (param $list i32) (param $n i32) (param $out i32) (result i64) (i64.extend_i32_u (call $write (local.get $fd) (local.get $list) (local.get $n) (local.get $out))))
  (func $many (result i64) (call $try (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0)))
  (func $huge (result i64) (call $set (i32.const 0) (i32.const 0x3000000)) (call $try (i32.const 1) (i32.const 0x8000) (i32.const 1024) (i32.const 0)))
  ;; 1,024 times nothing, without end
  (func $empty (result i64) (call $set (i32.const 0) (i32.const 0)) (loop $l (drop (call $try (i32.const 2) (i32.const 0x8000) (i32.const 1024) (i32.const 0x7000))) (br $l)) (i64.const 0))
  (func $outside (result i64) (call $set (i32.const -1) (i32.const -1)) (call $try (i32.const 1) (i32.const 0x8000) (i32.const 1024) (i32.const 0)))
  (func $list_outside (result i64) (call $try (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 0)))
  (func $result_outside (result i64) (call $set (i32.const 0) (i32.const 0)) (call $try (i32.const 1) (i32.const 0x8000) (i32.const 1) (i32.const -1)))
  (func $descriptor (result i64) (call $try (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 0)))
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column: integers, flags, data at 0x3100, 8 bytes
    "\02\00\00\00" "\00\00\00\00" "\00\31\00\00" "\08\00\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"iovecs\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"many\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"huge\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"empty\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"list_outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"result_outside\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}},"
    "{\"name\":\"descriptor\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
