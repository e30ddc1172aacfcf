"""Writes Parquet and Arrow files with five programs, and what pyarrow reads in them.

    writers.py FOLDER [--small]

FOLDER gets the files, and index.json: of each file, the name of the JSON file with its
columns as pyarrow reads them. Files that are in FOLDER/go already are read too. --small
makes the few files that columns.zip holds; without pyarrow's fellows it makes fewer.
"""

import datetime
import decimal
import hashlib
import json
import math
import os
import random
import sys

import duckdb
import fastparquet.writer
import pandas
import polars
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

folder, small = sys.argv[1], "--small" in sys.argv
rows = 90 if small else 3000
rng = random.Random(12)


def column(make, nulls=True):
    """A list of values, of which some are missing, and others come in runs."""
    out = []
    while len(out) < rows:
        value = None if nulls and rng.random() < 0.2 else make()
        out += [value] * (rng.choice([1, 1, 1, 9, 30]))
    return out[:rows]


def whole(bits):
    edge = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0, -1, 1]
    return lambda: rng.choice([rng.choice(edge), rng.getrandbits(bits) - 2 ** (bits - 1), rng.randrange(9)])


def natural(bits):
    return lambda: rng.choice([2**bits - 1, 0, rng.getrandbits(bits), rng.randrange(9)])


def words():
    return rng.choice(["", "a", "é", "Cap-Rouge", "prefix " * rng.randrange(3) + str(rng.randrange(50)), "x" * rng.randrange(40)])


def noise():
    return "".join(chr(rng.randrange(0x20, 0x2000)) for _ in range(rng.randrange(20)))


def repeats():  # shrinks more than three times
    return "compressible " * (20 if small else 120) + str(rng.randrange(3))


def moment(unit):
    return lambda: rng.randrange(-3 * 10**9, 5 * 10**9) * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit] + rng.randrange(999)


def amount(digits, scale):
    return lambda: decimal.Decimal(rng.randrange(-(10**digits) + 1, 10**digits)).scaleb(-scale, decimal.Context(prec=100))


def arrays(arrow):
    """Columns of every type that can be read: those that Parquet has, or Arrow."""
    a = {
        "n": pa.array(range(rows), pa.int64()),
        "same": pa.array([7] * rows, pa.int32()),
        "i32": pa.array(column(whole(32)), pa.int32()),
        "i64": pa.array(column(whole(64)), pa.int64()),
        "i64full": pa.array(column(whole(64), nulls=False), pa.int64()),
        "i8": pa.array(column(whole(8)), pa.int8()),
        "u32": pa.array(column(natural(32)), pa.uint32()),
        "u64": pa.array(column(natural(64)), pa.uint64()),
        "f32": pa.array(column(lambda: rng.gauss(0, 1e6)), pa.float32()),
        "f64": pa.array(column(lambda: rng.choice([rng.gauss(0, 1), 0.1, float("nan"), 1e300, -0.0])), pa.float64()),
        "f64full": pa.array(column(rng.random, nulls=False), pa.float64()),
        "bool": pa.array(column(lambda: rng.random() < 0.5), pa.bool_()),
        "text": pa.array(column(words), pa.string()),
        "noise": pa.array(column(noise), pa.string()),
        "repeats": pa.array(column(repeats), pa.string()),
        "nothing": pa.array([None] * rows, pa.string()),
        "day": pa.array(column(lambda: rng.randrange(-40000, 40000)), pa.int32()).cast(pa.date32()),
        "ms": pa.array(column(moment("ms")), pa.int64()).cast(pa.timestamp("ms")),
        "us": pa.array(column(moment("us")), pa.int64()).cast(pa.timestamp("us", "UTC")),
        "dec9": pa.array(column(amount(9, 2)), pa.decimal128(9, 2)),
        "dec18": pa.array(column(amount(18, 9)), pa.decimal128(18, 9)),
        "dec38": pa.array(column(amount(38, 20)), pa.decimal128(38, 20)),
    }
    if arrow is not None:
        a |= {
            "f16": pa.array(column(lambda: rng.choice([0.1, -2.0, 65504.0, 1e-7])), pa.float16()),
            "dec76": pa.array(column(amount(76, 30)), pa.decimal256(76, 30)),
            "ns": pa.array(column(moment("ns")), pa.int64()).cast(pa.timestamp("ns")),
            "null": pa.nulls(rows),
            "dict": pa.array(column(words), pa.string()).dictionary_encode(),
        }
    if arrow:
        a |= {
            "i16": pa.array(column(whole(16)), pa.int16()),
            "u8": pa.array(column(natural(8)), pa.uint8()),
            "u16": pa.array(column(natural(16)), pa.uint16()),
            "large": pa.array(column(words), pa.large_string()),
            "view": pa.array(column(words), pa.string_view()),
            "s": pa.array(column(moment("s")), pa.int64()).cast(pa.timestamp("s")),
            "date64": pa.array(column(lambda: rng.randrange(-40000, 40000)), pa.int32()).cast(pa.date32()).cast(pa.date64()),
            "dec32": pa.array(column(amount(9, 3)), pa.decimal32(9, 3)),
            "dec64": pa.array(column(amount(18, 1)), pa.decimal64(18, 1)),
            "numbers": pa.array(column(lambda: rng.randrange(5)), pa.int64()).dictionary_encode(),
        }
    return pa.table(a)


def told(kind, value):
    """A value as the test has it: JSON has no 64-bit integers."""
    if value is None:
        return None
    if pa.types.is_boolean(kind):
        return "true" if value else "false"
    if pa.types.is_integer(kind):
        return str(value)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        number = float(value) if pa.types.is_floating(kind) else float(str(value))
        return None if math.isnan(number) else number.hex() if math.isinf(number) else repr(number)
    return value


def seconds(chunk, kind):
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    for value in chunk.cast(pa.int64()).to_pylist():
        if value is None:
            yield None
            continue
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=value // per)
        rest = f"{value % per * (10**9 // per):09}".rstrip("0")
        yield at.strftime("%Y-%m-%dT%H:%M:%S") + ("." + rest if rest else "") + "Z"


def columns(table):
    out = {}
    for name, values in zip(table.column_names, table.columns):
        kind = values.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type  # of strings and integers, whose lists are the same
        if pa.types.is_timestamp(kind):
            out[name] = [v for chunk in values.chunks for v in seconds(chunk, kind)]
        elif pa.types.is_date(kind):
            out[name] = [None if v is None else v.isoformat() for v in values.to_pylist()]
        else:
            out[name] = [told(kind, v) for v in values.to_pylist()]
    return out


index = {}


def path(name):
    out = os.path.join(folder, name)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    return out


def note(name):
    """Reads a file with pyarrow, and notes what is in it."""
    if name.endswith(".parquet"):
        table = pq.ParquetFile(path(name)).read()
    elif name.endswith(".arrows"):
        with pa.OSFile(path(name)) as f:
            table = pa.ipc.open_stream(f).read_all()
    else:
        with pa.OSFile(path(name)) as f:
            table = pa.ipc.open_file(f).read_all()
    text = json.dumps(columns(table), ensure_ascii=False)
    expected = hashlib.sha256(text.encode()).hexdigest()[:16] + ".json"
    with open(path(expected), "w", encoding="utf-8") as f:
        f.write(text)
    index[name] = expected


plain = arrays(None)
typed = arrays(False)
full = arrays(True)
codecs = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]

# pyarrow: every codec, version and encoding; dictionaries that become too large.
encodings = {
    "n": "DELTA_BINARY_PACKED", "i32": "DELTA_BINARY_PACKED", "i64": "DELTA_BINARY_PACKED", "u64": "DELTA_BINARY_PACKED",
    "i64full": "BYTE_STREAM_SPLIT", "f32": "BYTE_STREAM_SPLIT", "f64": "BYTE_STREAM_SPLIT", "f64full": "BYTE_STREAM_SPLIT",
    "same": "BYTE_STREAM_SPLIT", "dec38": "BYTE_STREAM_SPLIT", "bool": "RLE",
    "text": "DELTA_BYTE_ARRAY", "noise": "DELTA_LENGTH_BYTE_ARRAY", "repeats": "DELTA_BYTE_ARRAY", "nothing": "DELTA_LENGTH_BYTE_ARRAY",
    "dec9": "PLAIN", "u32": "PLAIN",
}
flat = typed.set_column(typed.column_names.index("dict"), "dict", typed["dict"].cast(pa.string()))
for codec in codecs:
    for version in ["1.0", "2.0"]:
        if small and (codec, version) not in [("lz4", "1.0"), ("zstd", "2.0"), ("gzip", "1.0"), ("brotli", "2.0"), ("snappy", "2.0"), ("none", "1.0")]:
            continue
        options = {
            "dictionary": {"use_dictionary": True},
            "fallback": {"use_dictionary": True, "dictionary_pagesize_limit": 200, "use_byte_stream_split": False},
            "encodings": {"use_dictionary": False, "column_encoding": encodings},
            "integers": {"use_dictionary": False, "store_decimal_as_integer": True, "write_page_checksum": True},
        }
        for kind, more in options.items():
            if small and kind not in ("encodings", "fallback"):
                continue
            name = f"pyarrow/{kind}-{codec}-{version[0]}.parquet"
            pq.write_table(flat, path(name), compression=codec, data_page_version=version, version="2.6", row_group_size=rows * 2 // 3,
                           data_page_size=1000 if small else 5000, write_batch_size=20 if small else 100, **more)
            note(name)
pq.write_table(pa.table({"x": pa.array([1.5] * 10**6), "y": ["same"] * 10**6}), path("pyarrow/constant.parquet"))
if not small:
    note("pyarrow/constant.parquet")
    pq.write_table(typed, path("pyarrow/int96.parquet"), use_deprecated_int96_timestamps=True)
    note("pyarrow/int96.parquet")
else:
    os.remove(path("pyarrow/constant.parquet"))

# polars
frame = polars.from_arrow(plain.drop(["dec38"]))
for codec in ["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    if small and codec not in ("lz4", "zstd"):
        continue
    name = f"polars/{codec}.parquet"
    frame.write_parquet(path(name), compression=codec, row_group_size=rows * 2 // 3, data_page_size=5000)
    note(name)
if not small:
    for codec in ["uncompressed", "lz4", "zstd"]:
        more = frame.with_columns(polars.col("text").cast(polars.Categorical).alias("category"))
        more.write_ipc(path(f"polars/{codec}.arrow"), compression=codec)
        note(f"polars/{codec}.arrow")
        more.write_ipc_stream(path(f"polars/{codec}.arrows"), compression=codec)
        note(f"polars/{codec}.arrows")

# DuckDB
base = plain
for codec in ["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4_raw"]:
    for version in ["V1", "V2"]:
        if small and (codec, version) not in [("lz4_raw", "V1"), ("zstd", "V2")]:
            continue
        name = f"duckdb/{codec}-{version}.parquet"
        duckdb.sql(f"COPY (FROM base) TO '{path(name)}' (FORMAT parquet, CODEC '{codec}', PARQUET_VERSION {version}, ROW_GROUP_SIZE 2048)")
        note(name)
if not small:
    with pa.OSFile(path("duckdb/a.arrow"), "wb") as f:
        table = duckdb.sql("SELECT *, text::VARCHAR AS again FROM base").to_arrow_table()
        with pa.ipc.new_file(f, table.schema) as w:
            w.write(table)
    note("duckdb/a.arrow")

# fastparquet: versions of its own, and types that only it stores so
pandas_frame = plain.drop(["dec9", "dec18", "dec38", "nothing", "day"]).to_pandas(types_mapper={
    pa.int32(): pandas.Int32Dtype(), pa.int64(): pandas.Int64Dtype(), pa.uint32(): pandas.UInt32Dtype(), pa.uint64(): pandas.UInt64Dtype(),
    pa.int8(): pandas.Int8Dtype(), pa.bool_(): pandas.BooleanDtype()}.get)
for text in ["text", "noise", "repeats"]:
    pandas_frame[text] = pandas_frame[text].astype(object)
pandas_frame["category"] = pandas_frame["text"].astype("category")
for codec in [None, "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4", "LZ4_RAW"]:
    for version in [1, 2]:
        if small and (codec, version) not in [("LZ4", 1), ("LZ4_RAW", 2)]:
            continue
        fastparquet.writer.DATAPAGE_VERSION = version
        name = f"fastparquet/{codec}-{version}.parquet"
        fastparquet.write(path(name), pandas_frame, compression=codec, row_group_offsets=rows * 2 // 3, object_encoding="utf8")
        note(name)

# Arrow, with dictionaries that grow from batch to batch, and that are replaced
grown = [full.slice(i * rows // 3, rows // 3) for i in range(3)]
parts = []
for i, part in enumerate(grown):
    words_so_far = [f"word {k}" for k in range(3 * (i + 1))]
    codes = pa.array([None if k % 7 == 0 else k % len(words_so_far) for k in range(part.num_rows)], pa.int8())
    parts.append(part.append_column("grows", pa.DictionaryArray.from_arrays(codes, pa.array(words_so_far))))
for codec in [None, "lz4", "zstd"]:
    for stream in [False, True]:
        if small and (codec, stream) not in [("lz4", False), ("zstd", True)]:
            continue
        options = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=True)
        name = f"pyarrow/{codec}.arrow" + ("s" if stream else "")
        with pa.OSFile(path(name), "wb") as f:
            make = pa.ipc.new_stream if stream else pa.ipc.new_file
            same = [p if stream else p.set_column(p.column_names.index("dict"), "dict", p["dict"].cast(pa.string())) for p in parts]
            with make(f, same[0].schema, options=options) as w:
                for part in same:
                    for batch in part.to_batches():
                        w.write_batch(batch)
        note(name)

# parquet-go, by the test
if os.path.isdir(path("go/")):
    for name in sorted(os.listdir(path("go/"))):
        note("go/" + name)

with open(path("index.json"), "w", encoding="utf-8") as f:
    json.dump(index, f, indent=1)
print(len(index), "files")
