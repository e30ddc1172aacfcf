;; lies in any field of its response: it writes each given word to its address before it returns an answer that was good
(module
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
  (func (export "lestats_v1_describe") (result i64) (i64.const 0x4000000045f)) ;; 1119 bytes at 0x400
  (func (export "lestats_v1_open") (param i32 i32) (result i64) (i64.const 0))
  (func (export "lestats_v1_answer") (param $r i32) (param $len i32) (result i64) (local $at i32) (local $word i32) (local $n i32)
    (local.set $r (i32.load offset=20 (local.get $r)))
    (local.set $n (i32.load offset=8 (local.get $r)))
    (local.set $at (i32.load offset=12 (local.get $r)))
    (local.set $word (i32.load offset=44 (local.get $r)))
    (loop $next (if (local.get $n) (then
      (i32.store (i32.load (local.get $at)) (i32.load (local.get $word)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $word (i32.add (local.get $word) (i32.const 8)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $next))))
    (i64.load (i32.const 0x2ff8)))
  (data (i32.const 0x2ff8) "\20\00\00\00" "\00\30\00\00") ;; what answer returns: length, address
  (data (i32.const 0x3000) ;; Response: size, version, ok, one table, its stride, at 0x3020, error at 0x3220
    "\20\00\00\00" "\01\00\00\00" "\00\00\00\00" "\01\00\00\00" "\20\00\00\00" "\20\30\00\00" "\20\32\00\00")
  (data (i32.const 0x3020) ;; Table: kind, rows, columns, their stride, at 0x3040
    "\01\00\00\00" "\03\00\00\00" "\03\00\00\00" "\40\00\00\00" "\40\30\00\00")
  (data (i32.const 0x3048) ;; Column 0: strings, flags, data, bitmap, nulls, dictionary of 2, offsets, bytes
    "\03\00\00\00" "\00\00\00\00" "\00\31\00\00" "\0c\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00"
    "\02\00\00\00" "\10\31\00\00" "\20\31\00\00" "\0b\00\00\00")
  (data (i32.const 0x3088) ;; Column 1: integers
    "\02\00\00\00" "\00\00\00\00" "\40\31\00\00" "\18\00\00\00")
  (data (i32.const 0x30c8) ;; Column 2: numbers, with a bitmap that misses the last row
    "\01\00\00\00" "\00\00\00\00" "\60\31\00\00" "\18\00\00\00" "\80\31\00\00" "\01\00\00\00" "\01\00\00\00")
  (data (i32.const 0x3100) "\00\00\00\00" "\01\00\00\00" "\01\00\00\00") ;; codes
  (data (i32.const 0x3110) "\00\00\00\00" "\04\00\00\00" "\0b\00\00\00") ;; offsets
  (data (i32.const 0x3120) "OhioOr\c3\a9gon")
  (data (i32.const 0x3140) "\e4\07\00\00\00\00\00\00" "\e4\07\00\00\00\00\00\00" "\e5\07\00\00\00\00\00\00") ;; 2020, 2020, 2021
  (data (i32.const 0x3160) "\00\00\00\00\00\00\f8\3f" "\00\00\00\00\00\00\04\40" "\00\00\00\00\00\00\f8\7f") ;; 1.5, 2.5, NaN
  (data (i32.const 0x3180) "\fb") ;; rows 0 and 1; what is beyond row 2 means nothing
  (data (i32.const 0x3220) ;; Error: size, version, code 1, no parameter, 21 bytes of text at 0x3240
    "\20\00\00\00" "\01\00\00\00" "\01\00\00\00" "\ff\ff\ff\ff" "\40\32\00\00" "\15\00\00\00")
  (data (i32.const 0x3240) "no \07luck \ff with that\n ")
  (data (i32.const 0x400)
    "{\"name\":\"poke\",\"version\":\"1.0.0\",\"columns\":[{\"name\":\"value\",\"type\":\"number\"}],\"questions\":["
    "{\"name\":\"rows\",\"params\":[{\"name\":\"at\",\"type\":\"integer\",\"list\":true},{\"name\":\"word\",\"type\":\"integer\",\"list\":true}],\"result\":{\"layout\":\"rows\",\"keys\":[{\"name\":\"state\",\"type\":\"string\"},{\"name\":\"year\",\"type\":\"integer\"}],\"values\":[{\"name\":\"mean\",\"type\":\"number\"}]}},"
    "{\"name\":\"map\",\"params\":[{\"name\":\"at\",\"type\":\"integer\",\"list\":true},{\"name\":\"word\",\"type\":\"integer\",\"list\":true}],\"result\":{\"layout\":\"map\",\"keys\":[{\"name\":\"state\",\"type\":\"string\"},{\"name\":\"year\",\"type\":\"integer\"}],\"values\":[{\"name\":\"mean\",\"type\":\"number\"}]}},"
    "{\"name\":\"nested\",\"params\":[{\"name\":\"at\",\"type\":\"integer\",\"list\":true},{\"name\":\"word\",\"type\":\"integer\",\"list\":true}],\"result\":{\"layout\":\"nested\",\"keys\":[{\"name\":\"state\",\"type\":\"string\"},{\"name\":\"year\",\"type\":\"integer\"}],\"values\":[{\"name\":\"mean\",\"type\":\"number\"}]}},"
    "{\"name\":\"record\",\"params\":[{\"name\":\"at\",\"type\":\"integer\",\"list\":true},{\"name\":\"word\",\"type\":\"integer\",\"list\":true}],\"result\":{\"layout\":\"record\",\"values\":[{\"name\":\"s\",\"type\":\"string\"},{\"name\":\"n\",\"type\":\"integer\"},{\"name\":\"m\",\"type\":\"number\"}]}}]}")
)
