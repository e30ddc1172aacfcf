;; returns a result with random bits in it, other ones for each seed
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 0xc000))
  (table $attacks funcref (elem $noise))
  (func (export "lestats_v1_alloc") (param $size i32) (param $align i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $p) (local.get $size)))
    (local.get $p))
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x400000000df)) ;; 223 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param i32) (result i64)
    (call_indirect (param i32) (result i64) (local.get $r) (i32.load offset=8 (local.get $r))))
  ;; the first parameter is the seed; it changes up to 8 bytes of 240, and of the address that it returns
  (func $noise (param $r i32) (result i64) (local $x i64) (local $n i32)
    (local.set $x (i64.mul (i64.add (i64.load (i32.load offset=12 (i32.load offset=20 (local.get $r)))) (i64.const 1)) (i64.const 0x9e3779b97f4a7c15)))
    (local.set $n (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 61))))
    (loop $l
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (i32.store8 offset=0x2ff8 (i32.rem_u (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 40))) (i32.const 248)) (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 16))))
      (br_if $l (i32.ge_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (i64.load (i32.const 0x2ff8)))
  (data (i32.const 0x2ff8) "\20\00\00\00" "\00\30\00\00") ;; what answer returns: length, address
  (data (i32.const 0x3088) "\02\00\00\00" "\00\00\00\00" "\10\31\00\00" "\08\00\00\00")
  (data (i32.const 0x3048) "\03\00\00\00" "\00\00\00\00" "\00\31\00\00" "\04\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00"
    "\02\00\00\00" "\20\31\00\00" "\30\31\00\00" "\08\00\00\00")
  (data (i32.const 0x3120) "\00\00\00\00" "\04\00\00\00" "\08\00\00\00" "\00\00\00\00" "OhioUtah")
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\01\00\00\00" "\02\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x400)
    "{\"name\":\"noise\",\"version\":\"1\",\"columns\":[],\"questions\":["
    "{\"name\":\"noise\",\"params\":[{\"name\":\"seed\",\"type\":\"integer\"}],\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"k\",\"type\":\"string\"}],\"values\":[{\"name\":\"n\",\"type\":\"integer\"}]}}]}")
)
