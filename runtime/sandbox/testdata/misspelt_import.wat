;; imports a function of WASI by a wrong name
(module
  (import "wasi_snapshot_preview1" "clock_get_time" (func (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "lestats_v1_alloc") (param i32 i32) (result i32) unreachable)
  (func (export "lestats_v1_describe") (result i64) unreachable)
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64) unreachable)
)
