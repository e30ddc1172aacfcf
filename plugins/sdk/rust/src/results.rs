use crate::{abi, Column, Job, StringColumn};
use alloc::vec::Vec;

/// A handle to a column of a result, listed in [`crate::Result`]. One may serve
/// several questions.
pub trait ResultColumn: Sync {
    #[doc(hidden)]
    fn declare(&self) -> Declared;
}

#[doc(hidden)]
pub struct Declared {
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    pub unit_of: Option<&'static dyn Column>,
    pub shows: &'static str,
    pub kind: u32,
    pub of: Option<&'static StringColumn>,
}

/// A column of strings that a column of the dataset has: it takes codes, and no
/// string is copied.
pub struct CodeResult {
    pub of: &'static StringColumn,
    /// "": the name of `of`.
    pub name: &'static str,
    pub title: &'static str,
}

impl CodeResult {
    pub const fn new(of: &'static StringColumn) -> CodeResult {
        CodeResult { of, name: "", title: "" }
    }
    /// Where the job's codes go.
    pub fn column<'a>(&self, job: &'a mut Job) -> Codes<'a> {
        Codes(job.output(self))
    }
}

impl ResultColumn for CodeResult {
    fn declare(&self) -> Declared {
        let name = if self.name.is_empty() { self.of.name } else { self.name };
        Declared { name, title: self.title, unit: "", unit_of: None, shows: "", kind: abi::STRING, of: Some(self.of) }
    }
}

/// A column of strings of the plugin's own.
pub struct StringResult {
    pub name: &'static str,
    pub title: &'static str,
}

impl StringResult {
    pub const fn new(name: &'static str) -> StringResult {
        StringResult { name, title: "" }
    }
    /// Where the job's strings go.
    pub fn column<'a>(&self, job: &'a mut Job) -> Strings<'a> {
        Strings(job.output(self))
    }
}

impl ResultColumn for StringResult {
    fn declare(&self) -> Declared {
        Declared { name: self.name, title: self.title, unit: "", unit_of: None, shows: "", kind: abi::STRING, of: None }
    }
}

macro_rules! figures {
    ($(#[$doc:meta])* $name:ident, $columns:ident, $kind:expr) => {
        $(#[$doc])*
        pub struct $name {
            pub name: &'static str,
            pub title: &'static str,
            /// "%", "years"; "": none.
            pub unit: &'static str,
            /// Takes the dataset's unit of this column.
            pub unit_of: Option<&'static dyn Column>,
            /// What it is, for the host's pictures, headlines and notes: "estimate", "mean" (a
            /// plain mean of the measure), "mean_difference", "difference" (of
            /// two values, or a limit of its interval), "low" and "high" (limits of the
            /// interval), "count", "rank", or "". A result has at most one of each, but two of
            /// "rank", the best and the worst, and three of "difference".
            pub shows: &'static str,
        }
        impl $name {
            pub const fn new(name: &'static str) -> $name {
                $name { name, title: "", unit: "", unit_of: None, shows: "" }
            }
            /// Where the job's figures go.
            pub fn column<'a>(&self, job: &'a mut Job) -> $columns<'a> {
                $columns(job.output(self))
            }
        }
        impl ResultColumn for $name {
            fn declare(&self) -> Declared {
                Declared { name: self.name, title: self.title, unit: self.unit, unit_of: self.unit_of, shows: self.shows, kind: $kind, of: None }
            }
        }
    };
}
figures!(
    /// A column of finite numbers.
    NumberResult, Numbers, abi::FLOAT64
);
figures!(
    /// A column of integers.
    IntegerResult, Integers, abi::INT64
);

/// One column of a job's result. Its buffers serve job after job.
#[derive(Default)]
pub(crate) struct Output {
    pub numbers: Vec<f64>,
    pub integers: Vec<i64>,
    pub codes: Vec<i32>,
    pub bytes: Vec<u8>,    // strings of the plugin's own, back to back
    pub offsets: Vec<u32>, // where each begins in bytes, and the end
    pub missing: Vec<u32>, // rows, ascending
    pub valid: Vec<u8>,
}

impl Output {
    pub fn rows(&self, kind: u32) -> usize {
        match kind {
            abi::FLOAT64 => self.numbers.len(),
            abi::INT64 => self.integers.len(),
            _ => self.codes.len(),
        }
    }
}

macro_rules! appender {
    ($name:ident, $field:ident, $type:ty) => {
        /// The column of a job's result that belongs to a handle.
        pub struct $name<'a>(&'a mut Output);
        impl<'a> $name<'a> {
            /// Adds a row.
            pub fn append(&mut self, value: $type) {
                self.0.$field.push(value);
            }
            /// Adds a row without a value.
            pub fn append_missing(&mut self) {
                self.0.missing.push(self.0.$field.len() as u32);
                self.0.$field.push(<$type>::default());
            }
            /// Adds n rows and returns them, to be filled in.
            pub fn extend(self, n: usize) -> &'a mut [$type] {
                let from = self.0.$field.len();
                self.0.$field.resize(from + n, <$type>::default());
                &mut self.0.$field[from..]
            }
            /// The number of rows so far.
            pub fn len(&self) -> usize {
                self.0.$field.len()
            }
        }
    };
}
appender!(Codes, codes, i32);
appender!(Numbers, numbers, f64);
appender!(Integers, integers, i64);

/// The column of a job's result that belongs to a [`StringResult`].
pub struct Strings<'a>(&'a mut Output);

impl Strings<'_> {
    /// Adds a row; the text is copied.
    pub fn append(&mut self, text: &str) {
        self.0.codes.push(self.0.codes.len() as i32);
        self.0.bytes.extend_from_slice(text.as_bytes());
        self.0.offsets.push(self.0.bytes.len() as u32);
    }
    /// Adds a row without a value.
    pub fn append_missing(&mut self) {
        self.0.missing.push(self.0.codes.len() as u32);
        self.append("");
    }
    /// The number of rows so far.
    pub fn len(&self) -> usize {
        self.0.codes.len()
    }
}
