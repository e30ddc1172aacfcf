;; What analyses spend their time with, for benchmarks of metering: each exported
;; function takes a size and returns a checksum.
(module
  (memory (export "memory") 64 64)
  (type $f (func (param i32) (result i32)))
  (table funcref (elem $less $greater))

  ;; scan: sum of the present values of a column, by its validity bitmap.
  (func (export "scan") (param $n i32) (result i32)
    (local $i i32) (local $sum f64) (local $count i32)
    (loop $next
      (if (i32.and
            (i32.shr_u (i32.load8_u offset=2097152 (i32.shr_u (local.get $i) (i32.const 3)))
                       (i32.and (local.get $i) (i32.const 7)))
            (i32.const 1))
        (then
          (local.set $sum (f64.add (local.get $sum) (f64.load (i32.shl (i32.and (local.get $i) (i32.const 131071)) (i32.const 3)))))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.add (i32.trunc_sat_f64_s (local.get $sum)) (local.get $count)))

  ;; group: sums and counts by a dictionary code.
  (func (export "group") (param $n i32) (result i32)
    (local $i i32) (local $slot i32)
    (loop $next
      (local.set $slot (i32.add (i32.const 3145728)
        (i32.shl (i32.and (i32.load (i32.shl (i32.and (local.get $i) (i32.const 262143)) (i32.const 2))) (i32.const 63)) (i32.const 4))))
      (f64.store (local.get $slot) (f64.add (f64.load (local.get $slot)) (f64.convert_i32_u (local.get $i))))
      (i32.store offset=8 (local.get $slot) (i32.add (i32.load offset=8 (local.get $slot)) (i32.const 1)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.load offset=3145736 (i32.const 0)))

  ;; sort: fills n numbers from a generator and sorts them by insertion and quicksort.
  (func (export "sort") (param $n i32) (result i32)
    (local $i i32) (local $x i32)
    (local.set $x (i32.const 12345))
    (loop $fill
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1103515245)) (i32.const 12345)))
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.shr_u (local.get $x) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (call $quick (i32.const 0) (i32.shl (i32.sub (local.get $n) (i32.const 1)) (i32.const 2)))
    (i32.xor (i32.load (i32.const 0)) (i32.load (i32.shl (i32.shr_u (local.get $n) (i32.const 1)) (i32.const 2)))))
  (func $quick (param $lo i32) (param $hi i32)
    (local $i i32) (local $j i32) (local $p i32) (local $t i32)
    (if (i32.ge_s (local.get $lo) (local.get $hi)) (then (return)))
    (local.set $p (i32.load (i32.and (i32.shr_u (i32.add (local.get $lo) (local.get $hi)) (i32.const 1)) (i32.const -4))))
    (local.set $i (local.get $lo)) (local.set $j (local.get $hi))
    (loop $part
      (loop $up (if (i32.lt_u (i32.load (local.get $i)) (local.get $p))
        (then (local.set $i (i32.add (local.get $i) (i32.const 4))) (br $up))))
      (loop $down (if (i32.gt_u (i32.load (local.get $j)) (local.get $p))
        (then (local.set $j (i32.sub (local.get $j) (i32.const 4))) (br $down))))
      (if (i32.le_s (local.get $i) (local.get $j))
        (then
          (local.set $t (i32.load (local.get $i)))
          (i32.store (local.get $i) (i32.load (local.get $j)))
          (i32.store (local.get $j) (local.get $t))
          (local.set $i (i32.add (local.get $i) (i32.const 4)))
          (local.set $j (i32.sub (local.get $j) (i32.const 4)))))
      (br_if $part (i32.le_s (local.get $i) (local.get $j))))
    (call $quick (local.get $lo) (local.get $j))
    (call $quick (local.get $i) (local.get $hi)))

  ;; sortby: insertion sort with a comparison through a table, as sort.Slice does.
  (func $less (param i32 i32) (result i32) (i32.lt_u (local.get 0) (local.get 1)))
  (func $greater (param i32 i32) (result i32) (i32.gt_u (local.get 0) (local.get 1)))
  (func (export "sortby") (param $n i32) (result i32)
    (local $i i32) (local $j i32) (local $x i32)
    (local.set $x (i32.const 777))
    (loop $each
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1103515245)) (i32.const 12345)))
      (i32.store (local.get $i) (i32.shr_u (local.get $x) (i32.const 1)))
      (local.set $j (local.get $i))
      (block $placed
        (loop $sift
          (br_if $placed (i32.eqz (local.get $j)))
          (br_if $placed (i32.eqz (call_indirect (param i32 i32) (result i32)
            (i32.load (local.get $j)) (i32.load (i32.sub (local.get $j) (i32.const 4))) (i32.const 0))))
          (call $swap (local.get $j) (i32.sub (local.get $j) (i32.const 4)))
          (local.set $j (i32.sub (local.get $j) (i32.const 4)))
          (br $sift)))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.shl (local.get $n) (i32.const 2)))))
    (i32.load (i32.const 0)))
  (func $swap (param i32 i32) (local i32)
    (local.set 2 (i32.load (local.get 0)))
    (i32.store (local.get 0) (i32.load (local.get 1)))
    (i32.store (local.get 1) (local.get 2)))

  ;; format: numbers with one decimal as text.
  (func (export "format") (param $n i32) (result i32)
    (local $i i32) (local $at i32) (local $sum i32)
    (local.set $at (i32.const 65536))
    (loop $next
      (local.set $at (call $decimal (f64.div (f64.convert_i32_u (i32.mul (local.get $i) (i32.const 7919))) (f64.const 10)) (local.get $at)))
      (if (i32.gt_u (local.get $at) (i32.const 131072)) (then (local.set $at (i32.const 65536))))
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load8_u (i32.sub (local.get $at) (i32.const 2)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $sum))
  (func $decimal (param $x f64) (param $at i32) (result i32)
    (local $v i64) (local $len i32) (local $p i32)
    (local.set $v (i64.trunc_sat_f64_u (f64.nearest (f64.mul (local.get $x) (f64.const 10)))))
    (local.set $len (call $digits (local.get $v)))
    (local.set $p (i32.add (local.get $at) (local.get $len)))
    (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $v) (i64.const 10)))))
    (i32.store8 (i32.sub (local.get $p) (i32.const 1)) (i32.const 46))
    (local.set $p (i32.sub (local.get $p) (i32.const 1)))
    (local.set $v (i64.div_u (local.get $v) (i64.const 10)))
    (loop $digit
      (local.set $p (i32.sub (local.get $p) (i32.const 1)))
      (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $v) (i64.const 10)))))
      (local.set $v (i64.div_u (local.get $v) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $v) (i64.const 0))))
    (i32.store8 offset=1 (i32.add (local.get $at) (local.get $len)) (i32.const 10))
    (i32.add (i32.add (local.get $at) (local.get $len)) (i32.const 2)))
  (func $digits (param $v i64) (result i32)
    (local $n i32)
    (loop $more
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i64.ne (local.tee $v (i64.div_u (local.get $v) (i64.const 10))) (i64.const 0))))
    (if (i32.lt_u (local.get $n) (i32.const 2)) (then (local.set $n (i32.const 2))))
    (local.get $n))

  ;; recurse: Fibonacci by its definition.
  (func $recurse (export "recurse") (param $n i32) (result i32)
    (if (i32.lt_s (local.get $n) (i32.const 2)) (then (return (local.get $n))))
    (i32.add (call $recurse (i32.sub (local.get $n) (i32.const 1)))
             (call $recurse (i32.sub (local.get $n) (i32.const 2)))))

  ;; copy: n words, one at a time.
  (func (export "copy") (param $n i32) (result i32)
    (local $i i32)
    (loop $next
      (i64.store offset=1048576 (i32.and (local.get $i) (i32.const 524280)) (i64.load (i32.and (local.get $i) (i32.const 524280))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.shl (local.get $n) (i32.const 3)))))
    (i32.load offset=1048576 (i32.const 0)))

  ;; bulk: n copies of 64 bytes by memory.copy.
  (func (export "bulk") (param $n i32) (result i32)
    (loop $next
      (memory.copy (i32.add (i32.const 1048576) (i32.and (i32.shl (local.get $n) (i32.const 6)) (i32.const 65535)))
                   (i32.and (i32.shl (local.get $n) (i32.const 6)) (i32.const 65535)) (i32.const 64))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.load offset=1048576 (i32.const 0)))

  ;; hash: FNV-1a over strings of 8 to 15 bytes.
  (func (export "hash") (param $n i32) (result i32)
    (local $h i32) (local $p i32) (local $end i32) (local $all i32)
    (loop $next
      (local.set $h (i32.const 0x811c9dc5))
      (local.set $p (i32.and (i32.mul (local.get $n) (i32.const 13)) (i32.const 65535)))
      (local.set $end (i32.add (local.get $p) (i32.add (i32.const 8) (i32.and (local.get $n) (i32.const 7)))))
      (loop $byte
        (local.set $h (i32.mul (i32.xor (local.get $h) (i32.load8_u (local.get $p))) (i32.const 0x01000193)))
        (br_if $byte (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (local.get $end))))
      (local.set $all (i32.xor (local.get $all) (local.get $h)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $all))

  ;; matrix: n products of 16 x 16 matrices.
  (func (export "matrix") (param $n i32) (result i32)
    (local $i i32) (local $j i32) (local $k i32) (local $s f64)
    (loop $again
      (local.set $i (i32.const 0))
      (loop $row
        (local.set $j (i32.const 0))
        (loop $col
          (local.set $s (f64.const 0)) (local.set $k (i32.const 0))
          (loop $dot
            (local.set $s (f64.add (local.get $s) (f64.mul
              (f64.load (i32.shl (i32.add (i32.shl (local.get $i) (i32.const 4)) (local.get $k)) (i32.const 3)))
              (f64.load offset=2048 (i32.shl (i32.add (i32.shl (local.get $k) (i32.const 4)) (local.get $j)) (i32.const 3))))))
            (br_if $dot (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 16))))
          (f64.store offset=4096 (i32.shl (i32.add (i32.shl (local.get $i) (i32.const 4)) (local.get $j)) (i32.const 3)) (local.get $s))
          (br_if $col (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 16))))
        (br_if $row (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.load offset=4096 (i32.const 8)))

  ;; switch: an interpreter's loop over eight operations.
  (func (export "switch") (param $n i32) (result i32)
    (local $a i32) (local $pc i32)
    (loop $next
      (local.set $pc (i32.add (i32.mul (local.get $pc) (i32.const 5)) (i32.const 3)))
      (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
        (br_table $0 $1 $2 $3 $4 $5 $6 $7 (i32.and (i32.shr_u (local.get $pc) (i32.const 3)) (i32.const 7))))
        (local.set $a (i32.add (local.get $a) (local.get $pc))) (br $7))
        (local.set $a (i32.sub (local.get $a) (local.get $n))) (br $7))
        (local.set $a (i32.xor (local.get $a) (i32.shl (local.get $a) (i32.const 3)))) (br $7))
        (local.set $a (i32.rotl (local.get $a) (i32.const 7))) (br $7))
        (local.set $a (i32.load (i32.and (local.get $a) (i32.const 65532)))) (br $7))
        (i32.store (i32.and (local.get $a) (i32.const 65532)) (local.get $pc)) (br $7))
        (local.set $a (i32.or (local.get $a) (i32.const 1))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $a)))
