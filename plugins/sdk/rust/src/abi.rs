//! The contract's structs, version 1: see plugins/ABI.md.

pub const VERSION: u32 = 1;
pub const COLUMN_ALIGN: u32 = 65536;
pub const BUFFER_ALIGN: u32 = 64;

pub const FLOAT64: u32 = 1;
pub const INT64: u32 = 2;
pub const STRING: u32 = 3;
pub const SORTED_DICT: u32 = 1;
pub const NO_INDEX: u32 = 0xFFFF_FFFF;

pub const PARAM_COLUMN: u32 = 1;
pub const PARAM_NUMBER: u32 = 2;
pub const PARAM_INTEGER: u32 = 3;
pub const PARAM_CHOICE: u32 = 4;
pub const PARAM_BOOLEAN: u32 = 5;

pub const ERR_FAILED: u32 = 1;
pub const ERR_BAD_PARAM: u32 = 2;
pub const ERR_NO_DATA: u32 = 3;
pub const ERR_DATASET: u32 = 4;

macro_rules! wire {
    ($name:ident, $size:literal, $($field:ident)*) => {
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $(pub $field: u32),* }
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        impl $name { pub const SIZE: u32 = $size; }
    };
}

wire!(Directory, 32, size version rows column_count column_size columns digest digest_len);
wire!(Column, 64, name name_len type_ flags data data_len validity validity_len null_count dict_count dict_offsets dict_bytes
    dict_bytes_len unit unit_len reserved);
wire!(Request, 48, size version question param_count param_size params range_count ranges rows reserved0 reserved1 reserved2);
wire!(Range, 8, start count);
wire!(Param, 32, kind column count values reserved0 reserved1 reserved2 reserved3);
wire!(Response, 32, size version status table_count table_size tables error reserved);
wire!(Table, 32, kind rows column_count column_size columns reserved0 reserved1 reserved2);
wire!(Error, 32, size version code param text text_len reserved0 reserved1);

/// Puts an address and a length into the i64 that exports return.
pub fn pack(at: u32, len: u32) -> u64 {
    u64::from(at) << 32 | u64::from(len)
}
