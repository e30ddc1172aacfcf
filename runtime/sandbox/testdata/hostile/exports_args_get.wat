;; exports the host's own args_get as its alloc, which has the same type
(module
  (import "wasi_snapshot_preview1" "args_get" (func $host (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (export "lestats_v1_alloc" (func $host))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x40000000097)) ;; 151 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64) unreachable)
  (data (i32.const 0x400)
    "{\"name\":\"exports_args_get\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"q\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
