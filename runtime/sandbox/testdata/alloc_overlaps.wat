;; hands out the same memory twice
(module
  (memory (export "memory") 8)
  (func (export "lestats_v1_alloc") (param i32 i32) (result i32) (i32.const 0x10000))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000000ad)) ;; 173 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param i32 i32) (result i64) unreachable)
  (data (i32.const 0x400)
    "{\"name\":\"faulty\",\"version\":\"1\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],"
    "\"questions\":[{\"name\":\"q\",\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
