;; recurses in a function with a wide frame: 400 results of calls wait on the stack
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0x4000))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x4000000009d))
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64) (call $wide))
  (func $one (result i64) (i64.load (i32.const 0)))
  (func $wide (result i64)
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $one call $one call $one call $one call $one call $one call $one call $one call $one call $one
    call $wide
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add)
  (data (i32.const 0x400)
    "{\"name\":\"runaway_wide\",\"version\":\"1.0.0\",\"columns\":[],\"questions\":[{\"name\":\"recurse\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
