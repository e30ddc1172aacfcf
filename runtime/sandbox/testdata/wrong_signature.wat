;; describes itself with an i32
(module
  (memory (export "memory") 1)
  (func (export "lestats_v1_alloc") (param i32 i32) (result i32) unreachable)
  (func (export "lestats_v1_describe") (result i32) (i32.const 0))
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64) unreachable)
)
