;; logs bytes outside of its memory when it is opened
(module
  (import "lestats_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0x10000))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32) (local $have i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.set $have (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (global.get $top) (local.get $have)) (then
      (if (i32.lt_s (memory.grow (i32.shr_u (i32.add (i32.sub (global.get $top) (local.get $have)) (i32.const 0xffff)) (i32.const 16))) (i32.const 0)) (then
        (return (i32.const 0))))))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000000ad)) ;; 173 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (call $log (i32.const 1) (i32.const -16) (i32.const 32)) (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64) unreachable)
  (data (i32.const 0x400)
    "{\"name\":\"faulty\",\"version\":\"1\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],"
    "\"questions\":[{\"name\":\"q\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
